"""The settings of the radio."""

import pytest

from tessel.emulator.profiles import DEFAULT
from tessel.emulator.profiles import PROFILES as CHIPS
from tessel.gpio import GpioLine
from tessel.radio_factory import SECURITY_BY_NAME, access_point
from tessel.radio_settings import PROFILES, RADIOS, SECURITIES
from tessel.settings import Settings, SettingsError, malformed


def radio(**environ):
    return Settings.from_env(environ).radio


def fault(**environ):
    (one,) = malformed(environ)
    return one


def test_the_defaults_are_wired_as_the_documentation_says():
    found = radio()

    assert (found.kind, found.profile) == (RADIOS[0], "cc3000")
    assert found.pins.spi == "/dev/spidev0.0"
    assert found.pins.chip_select == GpioLine("/dev/gpiochip0", 22)
    assert found.pins.irq == GpioLine("/dev/gpiochip0", 23)
    assert found.pins.power == GpioLine("/dev/gpiochip0", 24)
    assert access_point(found) is None


def test_everything_can_be_set():
    found = radio(
        RADIO="cc3000",
        CC3000_PROFILE="ideal",
        CC3000_SPI="/dev/spidev1.0",
        CC3000_GPIO_CS="gpiochip4:7",
        CC3000_GPIO_IRQ="GPIO25",
        CC3000_GPIO_VBAT_EN="/dev/gpiochip1:3",
        WIFI_SSID="home",
        WIFI_SECURITY="wpa",
        WIFI_PASSWORD="secret",
    )

    assert (found.kind, found.profile, found.pins.spi) == ("cc3000", "ideal", "/dev/spidev1.0")
    assert found.pins.chip_select == GpioLine("/dev/gpiochip4", 7)
    assert found.pins.irq == GpioLine("/dev/gpiochip0", "GPIO25")
    assert found.pins.power == GpioLine("/dev/gpiochip1", 3)
    point = access_point(found)
    assert (point.ssid, point.security, point.key) == (
        b"home",
        SECURITY_BY_NAME["wpa"],
        b"secret",
    )


def test_words_are_taken_in_any_case():
    found = radio(RADIO="Host", CC3000_PROFILE="IDEAL", WIFI_SECURITY="WPA2")
    assert (found.kind, found.profile, found.security) == ("host", "ideal", "wpa2")
    assert Settings.from_env({"PROXY_TLS": "End-To-End"}).end_to_end


def test_a_password_means_wpa2_and_none_an_open_network():
    assert radio(WIFI_SSID="home", WIFI_PASSWORD="secret").security == "wpa2"
    assert radio(WIFI_SSID="home").security == "unsecured"


def test_a_password_may_stand_in_a_file_and_its_last_line_break_is_none_of_it(tmp_path):
    (tmp_path / "password").write_text(" with blanks \n")

    assert radio(WIFI_PASSWORD_FILE=str(tmp_path / "password")).password == b" with blanks "


def test_passwords_are_not_shown():
    assert "secret" not in repr(radio(WIFI_PASSWORD="secret"))
    assert "x" * 65 not in fault(WIFI_PASSWORD="x" * 65)
    assert "\udc80" not in fault(WIFI_PASSWORD="\udc80")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CC3000_PROFILE", "cc3100", "cc3000 or cc3000-real-time or ideal"),
        ("CC3000_SPI", "0.0", "such as /dev/spidev0.0"),
        ("CC3000_GPIO_CS", "1:2:3", "such as gpiochip4:22"),
        ("CC3000_GPIO_IRQ", "a b", "a line of a GPIO chip"),
        ("CC3000_GPIO_VBAT_EN", ":", "a line of a GPIO chip"),
        ("WIFI_SSID", "x" * 33, "at most 32 bytes"),
        ("WIFI_SECURITY", "open", "unsecured or wep or wpa or wpa2"),
    ],
)
def test_a_malformed_setting_is_named_with_what_is_expected(name, value, expected):
    told = fault(**{name: value})

    assert told.startswith(f"{name}={value!r}; allowed: ")
    assert expected in told


def test_a_password_that_is_too_long_is_a_fault():
    with pytest.raises(SettingsError, match="allowed: at most 64 bytes; it has 65"):
        radio(WIFI_PASSWORD="x" * 65)


def test_the_profiles_that_can_be_set_are_the_emulators_with_the_same_default():
    assert set(PROFILES) == set(CHIPS)
    assert PROFILES[0] == DEFAULT


def test_each_security_has_its_number():
    assert set(SECURITY_BY_NAME) == set(SECURITIES)
