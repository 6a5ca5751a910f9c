"""FLEET_URL: what is allowed, and what each fault says."""

import pytest

from tessel_proxy.fleet.valkey.address import EngineAddress, engine_address
from tessel_proxy.fleet.valkey.settings import EngineSettings
from tessel_service_kit.settings import ConfigError

GOOD = {
    "valkey://host": EngineAddress((("host", 6379),)),
    "redis://host": EngineAddress((("host", 6379),)),
    "VALKEY://HOST:7000/": EngineAddress((("host", 7000),)),
    "valkeys://me@host:1/12": EngineAddress((("host", 1),), tls=True, user="me", database=12),
    "rediss://[2001:db8::1]:5": EngineAddress((("2001:db8::1", 5),), tls=True),
    "valkey://a%40b@host": EngineAddress((("host", 6379),), user="a@b"),
    "valkey+sentinel://s1,s2:9/fleet": EngineAddress((("s1", 26379), ("s2", 9)), service="fleet"),
    "valkeys+sentinel://me@[::1]:8,s/fleet/3": EngineAddress(
        (("::1", 8), ("s", 26379)), tls=True, user="me", database=3, service="fleet"
    ),
}
BAD = {
    "host:6379": "the scheme is another one",
    "http://host": "the scheme is another one",
    "valkey+cluster://host": "the scheme is another one",
    "valkey+sentinels://host/fleet": "the scheme is another one",
    "valkey://": "a host is missing",
    "valkey://:5": "a host is missing",
    "valkey://host:0": "a port is 0",
    "valkey://host:65536": "a host or port is malformed",
    "valkey://[::1": "a host or port is malformed",
    "valkey://me:secret@host": "the password belongs into FLEET_PASSWORD_FILE",
    "valkey://host/db": "the database is no number",
    "valkey://host/-1": "the database is no number",
    "valkey://host/0/1": "the database is no number",
    "valkey://host/1?x=1": "it has other parts than these",
    "valkey://host#x": "it has other parts than these",
    "valkey://a,b": "several hosts",
    "valkey+sentinel://a,b": "the name of Sentinel's service is missing",
    "valkey+sentinel://a,/fleet": "a host is missing",
    "valkey://ho st": "spaces or control characters",
    "valkey://host\n": "spaces or control characters",
}


@pytest.mark.parametrize(("text", "address"), GOOD.items())
def test_an_address_is_read(text, address):
    assert engine_address(text) == address
    assert engine_address(str(address)) == address


@pytest.mark.parametrize(("text", "why"), BAD.items())
def test_a_faulty_address_says_why_and_does_not_show_it(text, why):
    with pytest.raises(ValueError, match=why) as caught:
        engine_address(text)
    assert "secret" not in str(caught.value)


def test_passwords_come_from_files_and_are_not_shown(tmp_path):
    file = tmp_path / "password"
    file.write_text("sesame\n")
    settings = EngineSettings.from_env(
        {"FLEET_URL": "valkey://host", "FLEET_PASSWORD_FILE": str(file)}
    )
    assert settings.fleet_password == "sesame"
    assert EngineSettings.table()["fleet_password"].show("sesame") == "(set)"


def test_without_settings_there_is_no_engine():
    assert EngineSettings.from_env({}).fleet_url is None


def test_a_faulty_setting_is_a_fault_of_the_settings():
    with pytest.raises(ConfigError, match="FLEET_URL='x'; allowed: valkey://"):
        EngineSettings.from_env({"FLEET_URL": "x"})


@pytest.mark.parametrize("url", ["valkey://me:hush@h", "valkey://:hu/sh@h", "x://hush@h:0"])
def test_a_password_in_a_faulty_setting_is_not_shown(url):
    with pytest.raises(ConfigError, match=r"FLEET_URL='\w+://\.\.\.@h") as caught:
        EngineSettings.from_env({"FLEET_URL": url})
    assert "sh@" not in str(caught.value)
