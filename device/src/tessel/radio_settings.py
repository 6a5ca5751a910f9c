"""The settings of the radio: its kind, the pins of a real chip, and the network to join."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tessel.gpio import ChipPins, GpioLine
from tessel.setting_parsers import (
    DEFAULT_SPI,
    choice,
    gpio_line,
    spi_device,
    ssid,
    wifi_password,
)
from tessel_service_kit.parsers import optional
from tessel_service_kit.settings import Settings as SettingsTable
from tessel_service_kit.settings import setting

RADIOS: Final = ("cc3000-sim", "host", "cc3000")  # the first is the default
PROFILES: Final = ("cc3000", "cc3000-real-time", "ideal")
SECURITIES: Final = ("unsecured", "wep", "wpa", "wpa2")  # the names of the Tessel's `wifi`


@dataclass(frozen=True, slots=True)
class RadioSettings(SettingsTable):
    """The settings of the radio, read from environment variables such as RADIO and WIFI_SSID."""

    kind: str = setting(
        "RADIO",
        RADIOS[0],
        "Radio to use. cc3000-sim: a simulated CC3000 that uses this machine's sockets; host: this "
        "machine's sockets without a chip; cc3000: a real CC3000.",
        choice(RADIOS),
    )
    profile: str = setting(
        "CC3000_PROFILE",
        PROFILES[0],
        "Properties of the simulated chip. cc3000: limits and quirks of the real one; "
        "cc3000-real-time: its delays as well; ideal: none of them.",
        choice(PROFILES),
    )
    ssid: bytes | None = setting(
        "WIFI_SSID",
        "",
        "Name of the Wi-Fi network that the chip joins, at most 32 bytes. Unset: the program joins "
        "a network itself; a simulated chip is in the simulated network tesselnet.",
        optional(ssid),
    )
    password: bytes = setting(
        "WIFI_PASSWORD",
        "",
        "Password of the Wi-Fi network, at most 64 bytes. Unset: none.",
        wifi_password,
        secret=True,
        exact=True,
    )
    chosen_security: str | None = setting(
        "WIFI_SECURITY",
        "",
        "Security of the Wi-Fi network: unsecured, wep, wpa or wpa2. Unset: wpa2 with a password, "
        "else unsecured.",
        optional(choice(SECURITIES)),
    )
    spi: str = setting(
        "CC3000_SPI", DEFAULT_SPI, "Path of the SPI device of a real chip.", spi_device
    )
    chip_select: GpioLine = setting(
        "CC3000_GPIO_CS",
        "22",
        "GPIO line of the chip select: its number or name, after the GPIO chip if that is not "
        "gpiochip0, such as gpiochip4:22.",
        gpio_line,
    )
    irq: GpioLine = setting(
        "CC3000_GPIO_IRQ",
        "23",
        "GPIO line of the chip's interrupt, in the same form as CC3000_GPIO_CS.",
        gpio_line,
    )
    power: GpioLine = setting(
        "CC3000_GPIO_VBAT_EN",
        "24",
        "GPIO line that switches the chip on, in the same form as CC3000_GPIO_CS.",
        gpio_line,
    )

    @property
    def security(self) -> str:
        """The security of the Wi-Fi network, one of SECURITIES.

        Without WIFI_SECURITY it is "wpa2" if there is a password, else "unsecured".
        """
        return self.chosen_security or ("wpa2" if self.password else "unsecured")

    @property
    def pins(self) -> ChipPins:
        """The SPI device and the GPIO lines to which a real chip is connected."""
        return ChipPins(spi=self.spi, chip_select=self.chip_select, irq=self.irq, power=self.power)
