"""Every setting: its default, what it allows, and its error message."""

import pytest

from tessel_oauth.config import SETTINGS, Config
from tessel_service_kit.logs import LogFormat, LogLevel
from tessel_service_kit.settings import ConfigError


def faults_of(**environ):
    with pytest.raises(ConfigError) as caught:
        Config.from_env(environ)
    return caught.value.faults


def test_an_empty_environment_gives_the_development_service():
    config = Config.from_env({})

    assert config == Config()
    assert (config.host, config.port, config.database) == ("127.0.0.1", 3002, ":memory:")
    assert (config.client_id, config.client_secret) == ("tessel-proxy-dev", "the-tessel-devenv")
    assert (config.seed_account, config.seed_api_key) == ("tessel-dev", None)
    assert config.token_lifetime_s is None
    assert (config.log_level, config.log_format) == (LogLevel.INFO, LogFormat.TEXT)


def test_every_setting_is_read():
    config = Config.from_env(
        {
            "HOST": "::1",
            "PORT": "0",
            "DATABASE": "/data/oauth.sqlite",
            "SEED_ACCOUNT": "anna",
            "SEED_API_KEY": "DEV-CRED",
            "CLIENT_ID": "proxy",
            "CLIENT_SECRET": "s:e c",
            "TOKEN_LIFETIME_S": "3600",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
            "SOMETHING_ELSE": "is nobody's business",
        }
    )

    assert config == Config(
        host="::1",
        port=0,
        database="/data/oauth.sqlite",
        seed_account="anna",
        seed_api_key="DEV-CRED",
        client_id="proxy",
        client_secret="s:e c",
        token_lifetime_s=3600,
        log_level=LogLevel.DEBUG,
        log_format=LogFormat.JSON,
    )


def test_all_faults_are_named_at_once():
    faults = faults_of(HOST="nowhere", PORT="65536", LOG_LEVEL="loud", CLIENT_ID="a:b")

    assert [fault.partition(";")[0] for fault in faults] == [
        "HOST='nowhere'",
        "PORT='65536'",
        "CLIENT_ID='a:b'",
        "LOG_LEVEL='loud'",
    ]
    assert all("; allowed: " in fault for fault in faults)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "3_002"),
        ("PORT", "eighty"),
        ("DATABASE", "a\x00b"),
        ("SEED_ACCOUNT", "two\nlines"),
        ("SEED_ACCOUNT", "x" * 257),
        ("SEED_API_KEY", "\udcff"),
        ("CLIENT_ID", "\x1b[2J"),
        ("CLIENT_SECRET", "tab\there"),
        ("TOKEN_LIFETIME_S", "0"),
        ("TOKEN_LIFETIME_S", "1.5"),
        ("TOKEN_LIFETIME_S", "9999999999"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name, value):
    (fault,) = faults_of(**{name: value})

    assert fault.startswith(name)
    assert "; allowed: " in fault


def test_a_fault_never_shows_a_secret():
    faults = faults_of(CLIENT_SECRET="hush\nhush", SEED_API_KEY="hush\nhush")

    assert len(faults) == 2
    assert "hush" not in str(faults)
    assert "hush" not in repr(Config(client_secret="hush", seed_api_key="hush"))


def test_the_secret_may_come_from_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("from a file\n")

    assert Config.from_env({"CLIENT_SECRET_FILE": str(file)}).client_secret == "from a file"


@pytest.mark.parametrize("data", [b"x" * 257, b"\xff", b"two\nlines"])
def test_a_file_without_a_usable_secret_is_a_fault(tmp_path, data):
    file = tmp_path / "secret"
    file.write_bytes(data)

    (fault,) = faults_of(CLIENT_SECRET_FILE=str(file))

    words = "1 to 256 printable characters in UTF-8"
    assert fault == f"CLIENT_SECRET_FILE={str(file)!r}; allowed: {words}"


def test_each_setting_is_a_field_of_its_name():
    assert [each.name.lower() for each in SETTINGS] == list(Config.__dataclass_fields__)
