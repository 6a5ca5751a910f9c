"""The environment -> Settings, or all its faults at once."""

import ipaddress
from pathlib import Path

import pytest
import trustme

from tessel.addresses import literal
from tessel.radio_settings import RADIOS
from tessel.settings import Settings, SettingsError, exposed, malformed

HOST = {"PROXY_HOST": "proxy.example"}


def faults(environ):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ)
    assert caught.value.code == "ERR_SETTINGS"
    return caught.value.faults


def test_with_nothing_set_there_are_defaults_and_no_token():
    settings = Settings.from_env({})
    assert settings.token is None
    assert settings.proxy_host is None
    assert settings.proxy_port == 443
    assert settings.proxy_cert is None
    assert settings.trusted is False
    assert settings.end_to_end is False
    assert settings.idle_s == 90
    assert settings.device is None
    assert settings.radio.kind == RADIOS[0]
    assert "localhost" in settings.local.names
    assert ipaddress.ip_network("10.0.0.0/8") in settings.local.networks


def test_everything_can_be_set():
    settings = Settings.from_env(
        HOST
        | {
            "PROXY_PORT": "5005",
            "PROXY_TOKEN": " secret\n",
            "PROXY_TRUSTED": "1",
            "PROXY_TLS": "end-to-end",
            "PROXY_IDLE": "1500",
            "PROXY_DEVICE": "kitchen",
            "PROXY_LOCAL": "192.0.2.0/24 .Example.COM. exact.test 2001:db8::1",
            "RADIO": "host",
        }
    )
    assert settings.token == "secret"
    assert (settings.proxy_host, settings.proxy_port) == ("proxy.example", 5005)
    assert settings.trusted
    assert settings.end_to_end
    assert settings.idle_s == 1.5
    assert settings.device == "kitchen"
    assert settings.local.domains == {"example.com"}
    assert settings.local.names == {"exact.test"}
    assert settings.local.addresses == {ipaddress.ip_address("2001:db8::1")}


def test_local_targets_may_be_separated_by_commas_too():
    local = Settings.from_env({"PROXY_LOCAL": "10.0.0.0/8, bücher.example,.a.test ,,::1"}).local
    assert local.networks == (ipaddress.ip_network("10.0.0.0/8"),)
    assert local.names == {"bücher.example"}
    assert local.domains == {"a.test"}
    assert local.addresses == {ipaddress.ip_address("::1")}


def test_an_empty_value_counts_as_unset():
    names = ("PROXY_HOST", "PROXY_TOKEN", "TM_API_KEY", "PROXY_PORT", "PROXY_LOCAL", "PROXY_CERT")
    assert Settings.from_env(dict.fromkeys(names, "")) == Settings.from_env({})


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({"PROXY_TOKEN": "a", "TM_API_KEY": "b"}, "a"),
        ({"TM_API_KEY": "b"}, "b"),
        ({"TM_API_KEY": "  "}, None),
        ({"PROXY_TOKEN": " \n", "TM_API_KEY": "b"}, "b"),
    ],
)
def test_the_token_is_proxy_token_else_tm_api_key(environ, token):
    assert Settings.from_env(HOST | environ).token == token


def test_a_token_may_stand_in_a_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("from-file\n")
    assert Settings.from_env(HOST | {"PROXY_TOKEN_FILE": str(path)}).token == "from-file"
    both = {"PROXY_TOKEN": "direct", "PROXY_TOKEN_FILE": str(path)}
    assert Settings.from_env(HOST | both).token == "direct"


@pytest.mark.parametrize("name", ["PROXY_TOKEN", "TM_API_KEY"])
def test_it_is_known_which_variable_the_token_came_from(name, tmp_path):
    path = tmp_path / "token"
    path.write_text("x")
    assert Settings.from_env(HOST | {name: "x"}).token_setting == name
    assert Settings.from_env(HOST | {f"{name}_FILE": str(path)}).token_setting == f"{name}_FILE"
    assert Settings.from_env(HOST).token_setting is None


def test_a_blank_value_does_not_hide_the_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("from-file\n")
    environ = HOST | {"PROXY_TOKEN": " ", "PROXY_TOKEN_FILE": str(path), "TM_API_KEY": "b"}
    settings = Settings.from_env(environ)
    assert (settings.token, settings.token_setting) == ("from-file", "PROXY_TOKEN_FILE")


@pytest.mark.parametrize("name", ["PROXY_TOKEN_FILE", "TM_API_KEY_FILE", "PROXY_CERT_FILE"])
def test_a_file_with_nothing_in_it_is_a_fault(name, tmp_path):
    path = tmp_path / "empty"
    path.write_text(" \n")
    (fault,) = faults(HOST | {name: str(path)})
    assert fault.startswith(f"{name}=")
    assert "is empty; allowed: a file that holds the secret" in fault


def test_a_token_without_a_host_is_a_fault_that_says_so():
    (fault,) = faults({"TM_API_KEY": "secret"})
    assert "PROXY_HOST" in fault
    assert "token" in fault
    assert "secret" not in fault


def test_a_certificate_may_be_text_or_stand_in_a_file(tmp_path):
    pem = trustme.CA().cert_pem.bytes()
    path = tmp_path / "authority.pem"
    path.write_bytes(pem)
    assert Settings.from_env({"PROXY_CERT": pem.decode()}).proxy_cert == pem.strip()
    assert Settings.from_env({"PROXY_CERT_FILE": str(path)}).proxy_cert == pem.strip()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PROXY_PORT", "0", "1 to 65535"),
        ("PROXY_PORT", "65536", "1 to 65535"),
        ("PROXY_PORT", "https", "1 to 65535"),
        ("PROXY_PORT", "9" * 5000, "1 to 65535"),
        ("PROXY_HOST", "https://proxy.example", "without a scheme"),
        ("PROXY_HOST", "proxy.example:443", "PROXY_PORT"),
        ("PROXY_HOST", "two words", "a name or an address"),
        ("PROXY_TRUSTED", "yes", "0 or false for no, another number or true for yes"),
        ("PROXY_TLS", "yes", "end-to-end"),
        ("PROXY_IDLE", "-1", "0 to"),
        ("PROXY_IDLE", "1.5", "0 to"),
        ("PROXY_LOCAL", "10.0.0.0/33", "10.0.0.0/33"),
        ("PROXY_LOCAL", "example.com/8", "example.com/8"),
        ("PROXY_LOCAL", "127.0.0.1:80", "without a port"),
        ("PROXY_LOCAL", "localhost:80", "without a port"),
        ("PROXY_LOCAL", "[::1]:80", "without a port"),
        ("PROXY_LOCAL", "*.example.com", "domains such as .example.com"),
        ("PROXY_LOCAL", "http://example.com", "names without a port"),
        ("PROXY_LOCAL", ".*.example.com", "'.*.example.com' is none"),
        ("PROXY_LOCAL", ".", "'' is none"),
        ("PROXY_DEVICE", "x" * 65, "64"),
        ("PROXY_DEVICE", "a\x07b", "printable"),
        ("RADIO", "cc3000x", "cc3000-sim or host or cc3000"),
    ],
)
def test_a_malformed_setting_is_named_with_its_value_and_what_is_expected(name, value, expected):
    (fault,) = faults({name: value})
    assert fault.startswith(f"{name}=")
    assert value[:20] in fault or repr(value) in fault
    assert expected in fault


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0", False), ("1", True), ("-1", True), ("false", False), ("true", True)],
)
def test_proxy_trusted_is_a_number_or_what_javascript_makes_of_a_boolean(value, expected):
    assert Settings.from_env({"PROXY_TRUSTED": value}).trusted is expected


def test_all_faults_are_reported_at_once():
    assert len(faults({"PROXY_PORT": "x", "RADIO": "x", "TM_API_KEY": "t"})) == 2


def test_a_certificate_that_is_none_is_a_fault_without_its_text():
    (fault,) = faults({"PROXY_CERT": "rubbish"})
    assert fault.startswith("PROXY_CERT; allowed: certificates as PEM text; these 7 bytes are not")
    assert "rubbish" not in fault


def test_a_certificate_that_looks_like_a_files_name_is_a_fault_that_names_the_other_setting():
    (fault,) = faults({"PROXY_CERT": "config/authority-cert.pem"})
    assert fault.endswith("the path of a file belongs in PROXY_CERT_FILE")
    (fault,) = faults({"PROXY_CERT": "-----BEGIN CERTIFICATE-----"})
    assert "PROXY_CERT_FILE" not in fault


def test_every_certificate_must_be_one():
    pem = trustme.CA().cert_pem.bytes().decode()
    assert Settings.from_env({"PROXY_CERT": pem + pem}).proxy_cert == (pem + pem).encode().strip()
    broken = pem[:100] + "!" + pem[101:]
    cut = pem[: len(pem) // 2]
    for second in (broken, cut):
        (fault,) = faults({"PROXY_CERT": pem + second})
        assert fault.startswith("PROXY_CERT; allowed: ")


@pytest.mark.parametrize("name", ["PROXY_TOKEN_FILE", "TM_API_KEY_FILE", "PROXY_CERT_FILE"])
def test_a_file_that_cannot_be_read_is_a_fault(name, tmp_path):
    (fault,) = faults(HOST | {name: str(tmp_path / "missing")})
    assert fault.startswith(f"{name}=")


def test_a_file_that_is_no_text_is_a_fault(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe")
    (fault,) = faults(HOST | {"PROXY_TOKEN_FILE": str(path)})
    assert "UTF-16" in fault


@pytest.mark.parametrize("name", ["PROXY_TOKEN", "TM_API_KEY"])
@pytest.mark.parametrize("form", ["{}\r", "{}\r\n\r\n", " {}\t", "\ufeff{}\n", "# mine\n{}\n\n"])
def test_what_stands_around_a_token_is_taken_off(name, form, tmp_path):
    path = tmp_path / "token"
    path.write_text(form.format("t0 ken"), newline="")
    assert Settings.from_env(HOST | {name: form.format("t0 ken")}).token == "t0 ken"
    assert Settings.from_env(HOST | {f"{name}_FILE": f"{path}\r"}).token == "t0 ken"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'SECRET'", "the value without quotes"),
        ('"SECRET"\r\n', "the value without quotes"),
        ("SECRET\nSECRET", "allowed: one token; it has 2"),
        ("# SECRET", "allowed: one token; it has 0"),
        ("SEC\x1bRET", "printable characters"),
        ("SECRET" * 1000, "at most 4096 characters"),
    ],
)
def test_what_can_be_no_token_is_a_fault_and_not_shown(text, why, tmp_path):
    path = tmp_path / "token"
    path.write_text(text, newline="")
    for environ in ({"PROXY_TOKEN": text}, {"TM_API_KEY_FILE": str(path)}):
        (fault,) = faults(HOST | environ)
        assert why in fault
        assert "SECRET" not in fault


def test_a_missing_token_file_says_who_has_a_token(tmp_path):
    (fault,) = faults(HOST | {"PROXY_TOKEN_FILE": str(tmp_path / "gone")})
    assert "No such file or directory" in fault
    assert "`tessel-proxy hash-token ACCOUNT` makes one" in fault


def test_a_token_file_that_may_not_be_read_names_its_owner_and_this_process(tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.touch(mode=0o600)

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    (fault,) = faults(HOST | {"PROXY_TOKEN_FILE": str(path)})
    assert f"the file '{path}' belongs to" in fault
    assert "this process runs as" in fault


def test_secrets_that_everybody_can_read_are_hinted_at(tmp_path):
    paths = [tmp_path / "token", tmp_path / "password"]
    for path in paths:
        path.write_text("x")
        path.chmod(0o644)
    environ = {"PROXY_TOKEN_FILE": str(paths[0]), "WIFI_PASSWORD_FILE": str(paths[1])}
    assert [hint.partition("=")[0] for hint in exposed(environ)] == list(environ)
    for path in paths:
        path.chmod(0o600)
    assert exposed(environ) == []


@pytest.mark.parametrize("form", ["{}\r", " {} ", "\ufeff{}"])
def test_what_stands_around_other_values_is_taken_off(form):
    given = {
        "PROXY_HOST": "p.example",
        "PROXY_PORT": "5005",
        "PROXY_LOCAL": "none",
        "RADIO": "host",
    }
    settings = Settings.from_env({name: form.format(text) for name, text in given.items()})
    assert (settings.proxy_host, settings.proxy_port) == ("p.example", 5005)
    assert (settings.local.names, settings.radio.kind) == (frozenset({"none"}), "host")


@pytest.mark.parametrize("name", ["PROXY_HOST", "PROXY_PORT", "PROXY_LOCAL", "RADIO"])
def test_a_value_in_quotes_is_a_fault(name):
    (fault,) = faults({name: '"443"'})
    assert fault == f"{name}='\"443\"' is in quotes; allowed: the value without quotes"


def test_a_certificate_whose_line_ends_are_escaped_is_reported():
    pem = trustme.CA().cert_pem.bytes().decode().replace("\n", r"\n")
    (fault,) = faults({"PROXY_CERT": pem})
    assert fault.endswith(r"use real line ends and not \n")


def test_a_certificate_may_begin_with_a_byte_order_mark(tmp_path):
    pem = trustme.CA().cert_pem.bytes()
    path = tmp_path / "ca.pem"
    path.write_bytes(b"\xef\xbb\xbf" + pem)
    assert Settings.from_env({"PROXY_CERT_FILE": str(path)}).proxy_cert == pem.strip()
    assert Settings.from_env({"PROXY_CERT": "\ufeff" + pem.decode()}).proxy_cert == pem.strip()


def test_a_wifi_password_keeps_its_spaces_and_quotes():
    settings = Settings.from_env({"WIFI_PASSWORD": "\ufeff 'my pass' \r\n"})
    assert settings.radio.password == b" 'my pass' "


def test_a_file_without_end_is_a_fault():
    (fault,) = faults(HOST | {"PROXY_TOKEN_FILE": "/dev/zero"})
    assert "is too large" in fault


def test_a_token_that_is_no_text_is_a_fault_and_not_shown():
    (fault,) = faults(HOST | {"PROXY_TOKEN": "abc\udcff"})
    assert fault.startswith("PROXY_TOKEN; allowed: ")
    assert "abc" not in fault


def test_an_ipv6_proxy_may_stand_in_brackets():
    assert Settings.from_env({"PROXY_HOST": "[::1]"}).proxy_host == "::1"
    assert Settings.from_env({"PROXY_HOST": "::1"}).proxy_host == "::1"


def test_at_the_start_only_what_is_malformed_is_reported():
    assert (
        malformed({"TM_API_KEY": "the program may set PROXY_HOST itself", "PROXY_HOST": ""}) == ()
    )
    (fault,) = malformed({"PROXY_PORT": "x"})
    assert fault.startswith("PROXY_PORT")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1.evil.com", None),
        ("10.1", None),
    ],
)
def test_a_host_is_an_address_only_if_it_is_one_whole(host, address):
    assert literal(host) == (None if address is None else ipaddress.ip_address(address))
