"""The settings of the gateway, and the variables of a program that uses it."""

import pytest

from tessel.gateway import GatewaySettings
from tessel.gateway.command import proxy_variables
from tessel.gateway.opening import Credentials
from tessel.gateway.settings import Address, address
from tessel_service_kit.settings import ConfigError


@pytest.mark.parametrize(
    ("text", "host", "port", "is_loopback"),
    [
        ("127.0.0.1:1080", "127.0.0.1", 1080, True),
        ("1080", "127.0.0.1", 1080, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:1080", "::1", 1080, True),
        ("127.8.9.10:1", "127.8.9.10", 1, True),
        ("0.0.0.0:1080", "0.0.0.0", 1080, False),
        ("[::]:1080", "::", 1080, False),
        ("192.168.1.2:1080", "192.168.1.2", 1080, False),
    ],
)
def test_an_address_to_listen_on(text, host, port, is_loopback):
    found = address(text)

    assert found == Address(host, port)
    assert found.is_loopback is is_loopback


@pytest.mark.parametrize(
    "text",
    ["", ":1080", "a:1080", "127.0.0.1", "127.0.0.1:", "::1:80", "1:65536", "1:-1", "x", "²"],
)
def test_another_text_is_no_address(text):
    with pytest.raises(ValueError, match=r"such as 127\.0\.0\.1:1080"):
        address(text)


@pytest.mark.parametrize("listen", ["0.0.0.0:1080", "[::]:1080", "10.0.0.1:1080"])
def test_an_address_for_other_machines_needs_a_password(listen):
    with pytest.raises(ConfigError, match="without GATEWAY_PASSWORD; allowed: a loopback"):
        GatewaySettings.from_env({"GATEWAY_LISTEN": listen})

    settings = GatewaySettings.from_env({"GATEWAY_LISTEN": listen, "GATEWAY_PASSWORD": "secret"})
    assert settings.credentials == Credentials("tessel", "secret")


def test_a_password_may_come_from_a_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")

    settings = GatewaySettings.from_env({"GATEWAY_PASSWORD_FILE": str(file), "GATEWAY_USER": "me"})

    assert settings.credentials == Credentials("me", "secret")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "environ",
    [
        {"GATEWAY_USER": "a:b"},
        {"GATEWAY_USER": "a" * 256},
        {"GATEWAY_PASSWORD": "p" * 256},
        {"GATEWAY_MAX_CLIENTS": "0"},
        {"GATEWAY_HANDSHAKE_TIMEOUT_S": "x"},
    ],
)
def test_a_wrong_setting_is_a_fault_that_shows_no_password(environ):
    with pytest.raises(ConfigError) as caught:
        GatewaySettings.from_env(environ)

    assert "allowed:" in str(caught.value)
    assert "ppp" not in str(caught.value)


def test_no_password_means_no_credentials():
    assert GatewaySettings.from_env({}).credentials is None


def test_a_programs_variables_name_the_gateway_and_no_exception():
    found = proxy_variables(Address("127.0.0.1", 9), Credentials("me", "a/b"))

    assert found["https_proxy"] == found["ALL_PROXY"] == "http://me:a%2Fb@127.0.0.1:9"
    assert found["no_proxy"] == found["NO_PROXY"] == ""
    assert proxy_variables(Address("::1", 9), None)["http_proxy"] == "http://[::1]:9"
