from pathlib import Path

import pytest

from tessel_proxy.auth.settings_parsers import TokenService
from tessel_proxy.egress.rules import EgressMode, rules
from tessel_proxy.startup.config import SETTINGS, Config
from tessel_service_kit.logs import LogFormat, LogLevel
from tessel_service_kit.settings import ConfigError
from tessel_service_kit.settings_help import described, lookalikes

PASSWORD = {"AUTH_HARDCODED": "DEV-CRED"}
OA2 = "http://tessel-proxy-dev:the-tessel-devenv@localhost:3002"


def faults(**environ):
    with pytest.raises(ConfigError) as raised:
        Config.from_env({**PASSWORD, **environ})
    return list(raised.value.faults)


def read(**environ):
    return Config.from_env({**PASSWORD, **environ})


def test_an_authenticator_is_all_that_must_be_set():
    assert Config.from_env(PASSWORD) == Config(auth_hardcoded=("DEV-CRED",))


def test_the_defaults_are_those_of_the_table():
    config = Config()
    assert (config.host, config.port) == ("", 5005)
    assert config.cert_file == Path("config/public-cert.pem")
    assert config.key_file == Path("config/private-key.pem")
    assert (config.key_pass, config.target_ca_file, config.egress_allow) == (None, None, ())
    assert (config.egress_deny, config.policy_file) == ((), None)
    assert config.egress_mode is EgressMode.ENFORCE
    assert (config.auth_timeout_s, config.handshake_timeout_s, config.connect_timeout_s) == (
        10.0,
        10.0,
        30.0,
    )
    assert (config.max_unauthenticated, config.max_substreams) == (256, 1024)
    assert (config.log_level, config.log_format) == (LogLevel.INFO, LogFormat.TEXT)


def test_every_setting_is_read():
    config = Config.from_env(
        {
            "HOST": "::1",
            "PORT": "0",
            "CERT_FILE": "c.pem",
            "KEY_FILE": "k.pem",
            "KEY_PASS": "schlüssel",
            "AUTH_PLUGIN": "package.module:validate",
            "TARGET_CA_FILE": "ca.pem",
            "EGRESS_MODE": "OPEN",
            "EGRESS_ALLOW": "127.0.0.0/8 ::1/128,10.1.2.3",
            "EGRESS_DENY": "*:25 .Example.com",
            "POLICY_FILE": "policy",
            "AUTH_TIMEOUT_S": "0.5",
            "HANDSHAKE_TIMEOUT_S": "3",
            "MAX_UNAUTHENTICATED": "7",
            "CONNECT_TIMEOUT_S": "1e2",
            "MAX_SUBSTREAMS": "32767",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
        }
    )
    assert config == Config(
        host="::1",
        port=0,
        cert_file=Path("c.pem"),
        key_file=Path("k.pem"),
        key_pass="schlüssel".encode(),
        auth_plugin="package.module:validate",
        target_ca_file=Path("ca.pem"),
        egress_mode=EgressMode.OPEN,
        egress_allow=rules("127.0.0.0/8 ::1 10.1.2.3"),
        egress_deny=rules("*:25 .example.com"),
        policy_file=Path("policy"),
        auth_timeout_s=0.5,
        handshake_timeout_s=3.0,
        max_unauthenticated=7,
        connect_timeout_s=100.0,
        max_substreams=32767,
        log_level=LogLevel.DEBUG,
        log_format=LogFormat.JSON,
    )


def test_set_but_empty_counts_as_not_set():
    nothing = {name: "" for each in SETTINGS for name in each.names}
    assert Config.from_env({**nothing, **PASSWORD}) == Config.from_env(PASSWORD)


def test_all_faults_are_named_at_once_with_name_value_and_what_is_allowed():
    found = faults(PORT="99999", HOST="proxy", EGRESS_MODE="closed", LOG_FORMAT="xml")
    assert found == [
        "HOST='proxy'; allowed: an IPv4 or IPv6 address; 0.0.0.0 or :: for all interfaces",
        "PORT='99999'; allowed: an integer from 0 to 65535",
        "EGRESS_MODE='closed'; allowed: enforce or report or open",
        "LOG_FORMAT='xml'; allowed: text or json",
    ]


@pytest.mark.parametrize("text", ["0", "32768"])
def test_a_tunnel_has_at_least_one_and_at_most_32767_substreams(text):
    assert faults(MAX_SUBSTREAMS=text) == [
        f"MAX_SUBSTREAMS={text!r}; allowed: an integer from 1 to 32767"
    ]


def test_a_network_with_bits_behind_its_mask_is_a_fault_that_names_the_likely_one():
    (fault,) = faults(EGRESS_ALLOW="::1/128 10.0.0.1/8")
    assert fault.endswith("10.0.0.0/8 rather than 10.0.0.1/8")


def test_words_that_are_no_rules_are_a_fault_that_quotes_them_all():
    (fault,) = faults(EGRESS_DENY="127.0.0.0/8 exa_mple!.com 1.2.3.4:0")
    assert fault.endswith(
        "'exa_mple!.com' is not a rule; '1.2.3.4:0': ports are 1 to 65535, ranges as 8000-8999"
    )


def test_nobody_allows_everything_by_one_sign():
    (fault,) = faults(EGRESS_ALLOW="*:443")
    assert fault.endswith("not *, because it would allow the metadata service")


@pytest.mark.parametrize("text", ["module", "module:", ":name", "a b:name", "a..b:c", "a:b:c"])
def test_a_plugin_is_named_by_module_and_callable(text):
    with pytest.raises(ConfigError) as raised:
        Config.from_env({"AUTH_PLUGIN": text})
    assert list(raised.value.faults) == [f"AUTH_PLUGIN={text!r}; allowed: package.module:callable"]


# --- the authenticator


def test_no_authenticator_is_a_fault_that_says_what_to_do():
    with pytest.raises(ConfigError, match="AUTH_HARDCODED=<a token that all devices share>"):
        Config.from_env({})


@pytest.mark.parametrize("other", ["AUTH_HARDCODED", "AUTH_TESSEL_OA2", "AUTH_FILE"])
def test_a_plugin_beside_another_authenticator_is_a_fault(other):
    with pytest.raises(ConfigError) as raised:
        Config.from_env({"AUTH_PLUGIN": "a:b", other: OA2})
    assert list(raised.value.faults) == [
        f"AUTH_PLUGIN='a:b' and {other} are set; allowed: AUTH_PLUGIN alone"
    ]


def test_the_token_service_may_be_set_beside_the_shared_password():
    config = read(AUTH_TESSEL_OA2=OA2)
    assert config.auth_tessel_oa2 == TokenService(
        "http://localhost:3002", "tessel-proxy-dev", "the-tessel-devenv"
    )


def test_an_authenticator_with_a_fault_is_not_reported_as_missing_too():
    with pytest.raises(ConfigError) as raised:
        Config.from_env({"AUTH_TESSEL_OA2": "localhost:3002"})
    assert len(raised.value.faults) == 1


def test_a_token_services_url_may_have_a_path_an_ipv6_host_and_escaped_credentials():
    config = read(AUTH_TESSEL_OA2="https://me:a%40b%3A@[::1]:8443/oauth/")
    assert config.auth_tessel_oa2 == TokenService("https://[::1]:8443/oauth", "me", "a@b:")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:3002",
        "ftp://id:SECRET@host",
        "http://id:SECRET@",
        "http://host",
        "http://id@host",
        "http://:SECRET@host",
        "http://i%3Ad:SECRET@host",
        "http://id:SECRET@host:0",
        "http://id:SECRET@host:99999",
        "http://id:SECRET@host?x=1",
        "http://id:SECRET@host/#x",
        "http://id:SECRET@ho st",
        "http://id:SECRET@ho\nst",
        "http://id:SECRET@[::1",
        "http://id:SEC/RET@host",
        "http://id:SECRET%ff@host",
    ],
)
def test_a_malformed_token_service_is_a_fault_that_does_not_show_the_secret(url):
    (fault,) = faults(AUTH_TESSEL_OA2=url)
    assert fault.startswith("AUTH_TESSEL_OA2; allowed: http(s)://CLIENT_ID:CLIENT_SECRET@HOST")
    assert "SECRET" not in fault.replace("CLIENT_SECRET", "")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("\udcff", "a token of printable characters in UTF-8, on one line"),
        ("SECRET\x00", "a token of printable characters in UTF-8, on one line"),
        ("SEC\u200bRET", "a token of printable characters in UTF-8, on one line"),
        ('"SECRET"\nb', "a token without quotes around it: they would be part of it"),
        ("SECRET" * 1000, "a token of at most 4096 characters"),
        ("# SECRET", "1 to 8 tokens, one on each line; # begins a comment"),
        ("SECRET\n" * 9, "1 to 8 tokens, one on each line; # begins a comment"),
    ],
)
def test_what_can_be_no_shared_token_is_a_fault_and_not_shown(text, allowed):
    assert faults(AUTH_HARDCODED=text) == [f"AUTH_HARDCODED; allowed: {allowed}"]


@pytest.mark.parametrize("quotes", ["''", '""', "``", "\u201c\u201d", "\u2018\u2019"])
def test_a_shared_token_in_quotes_is_a_fault_and_not_shown(quotes):
    assert faults(AUTH_HARDCODED=f" {quotes[0]}SECRET{quotes[1]}\r") == [
        "AUTH_HARDCODED is in quotes; allowed: the value without quotes"
    ]


@pytest.mark.parametrize("text", ["old\nnew", "old\r\n\r\n new \r\n", "\ufeff# both\nold\n\nnew\n"])
def test_several_tokens_may_be_shared_one_on_each_line(text, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(text, newline="")
    assert Config.from_env({"AUTH_HARDCODED": text}).auth_hardcoded == ("old", "new")
    assert Config.from_env({"AUTH_HARDCODED_FILE": f"{file}\r"}).auth_hardcoded == ("old", "new")


def test_a_missing_token_file_says_how_to_make_one(tmp_path):
    path = tmp_path / "the token"
    with pytest.raises(ConfigError) as raised:
        Config.from_env({"AUTH_HARDCODED_FILE": str(path)})
    assert str(raised.value) == (
        f"AUTH_HARDCODED_FILE='{path}' cannot be read: No such file or directory; "
        f"`(umask 077; head -c 24 /dev/urandom | base64 > '{path}')` makes one"
    )


def test_whitespace_alone_is_no_authenticator():
    for name in ("AUTH_HARDCODED", "AUTH_PLUGIN", "AUTH_FILE", "AUTH_HARDCODED_FILE"):
        with pytest.raises(ConfigError, match="no authenticator is set"):
            Config.from_env({name: " \r\n"})


@pytest.mark.parametrize("name", ["AUTH_CACHE_S", "AUTH_STALE_S", "AUTH_RECHECK_S"])
def test_what_is_remembered_of_tokens_and_asked_again_can_be_turned_off(name):
    assert getattr(read(**{name: "0"}), name.lower()) == 0
    assert getattr(read(**{name: "1.5"}), name.lower()) == 1.5
    (fault,) = faults(**{name: "-1"})
    assert fault == f"{name}='-1'; allowed: 0, or seconds, more than 0 and at most 86400"


# --- secrets


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n", "\t\r\n\r\n"])
@pytest.mark.parametrize("beginning", ["", "\ufeff", " ", "\n"])
def test_a_token_may_stand_in_a_file_with_what_editors_put_around_it(tmp_path, beginning, ending):
    file = tmp_path / "secret"
    file.write_bytes(f"{beginning}DEV-CRED{ending}".encode())
    config = Config.from_env({"AUTH_HARDCODED_FILE": str(file)})
    assert config.auth_hardcoded == ("DEV-CRED",)


def test_a_passphrase_keeps_its_spaces_and_quotes_but_no_line_ends(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbf 'open sesame' \r\n\n")
    assert read(KEY_PASS_FILE=str(file)).key_pass == b" 'open sesame' "
    assert read(KEY_PASS="' x '\r").key_pass == b"' x '"
    assert faults(KEY_PASS="two\nlines") == ["KEY_PASS; allowed: a passphrase on one line"]


def test_the_key_pass_from_a_file_may_be_any_bytes(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\x00pass\n")
    assert read(KEY_PASS_FILE=str(file)).key_pass == b"\xff\x00pass"


def test_the_token_service_may_come_from_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text(OA2 + "\n")
    config = Config.from_env({"AUTH_TESSEL_OA2_FILE": str(file)})
    assert config.auth_tessel_oa2.client_secret == "the-tessel-devenv"


def test_a_fault_in_a_secrets_file_names_the_file_and_not_what_it_holds(tmp_path):
    file = tmp_path / "secret"
    file.write_text("SECRET")
    (fault,) = faults(AUTH_TESSEL_OA2_FILE=str(file))
    assert fault.startswith(f"AUTH_TESSEL_OA2_FILE={str(file)!r}; allowed: http(s)://")


def test_secrets_are_not_shown():
    config = read(KEY_PASS="PASS-1", AUTH_TESSEL_OA2="http://id:PASS-2@host")
    for shown in (repr(config), str(config.shown())):
        assert "PASS-" not in shown
        assert "DEV-CRED" not in shown


def test_a_config_shows_each_setting_as_it_could_be_written():
    shown = dict(read(EGRESS_ALLOW="10.0.0.0/8,::1").shown())
    assert list(shown) == [each.name for each in SETTINGS]
    assert shown["EGRESS_ALLOW"] == "10.0.0.0/8 ::1/128"
    assert (shown["AUTH_HARDCODED"], shown["AUTH_PLUGIN"]) == ("(set)", "")
    assert (shown["CONNECT_TIMEOUT_S"], shown["EGRESS_MODE"]) == ("30", "enforce")


# --- the table


def test_each_setting_is_a_field_of_its_name():
    assert [each.name.lower() for each in SETTINGS] == list(Config.__dataclass_fields__)


def test_the_table_for_people_names_every_setting_its_default_and_its_file():
    table = described(SETTINGS)
    for each in SETTINGS:
        assert f"  {each.name}  " in table
        assert each.default in table
        assert all(name in table for name in each.names)
    assert max(map(len, table.splitlines())) <= 98


def test_variables_that_look_like_ours_are_hinted_at():
    environ = dict.fromkeys(["AUTH_HARDCODE", "EGRES_ALLOW", "AUTH_PLUGIN_FILE", "drain_s"], "x")
    assert lookalikes(environ, SETTINGS) == [
        "AUTH_HARDCODE is not a setting: did you mean AUTH_HARDCODED?",
        "AUTH_PLUGIN_FILE is not a setting: AUTH_PLUGIN cannot be read from a file",
        "EGRES_ALLOW is not a setting: did you mean EGRESS_ALLOW?",
        "drain_s is not a setting: did you mean DRAIN_S?",
    ]


def test_other_programs_variables_are_not():
    environ = dict.fromkeys(["PATH", "HOSTNAME", "SSL_CERT_FILE", "SSH_AUTH_SOCK", "PORTAL"], "x")
    assert lookalikes({**environ, **PASSWORD}, SETTINGS) == []


def test_making_certificates_needs_only_their_own_settings():
    config = Config.for_certificates({"CERT_FILE": "c.pem", "PORT": "wrong"})
    assert config == Config(cert_file=Path("c.pem"))
    with pytest.raises(ConfigError, match="KEY_PASS_FILE"):
        Config.for_certificates({"KEY_PASS_FILE": "/nowhere"})
