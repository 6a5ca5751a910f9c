"""The command line, from inside; only the last tests start a process."""

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import pytest
from prometheus_client import CollectorRegistry
from twisted.application.service import Service
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from support.certificate_authorities import LATELY, Party, pem
from tessel_proxy import __main__ as command
from tessel_proxy.front.tls import ServerTLS
from tessel_proxy.startup import run as run_module
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.preparation import get_ready
from tessel_service_kit.logs import LogFormat, LogLevel
from tessel_service_kit.settings import ConfigError

NOW = datetime.now(UTC).timestamp()  # OpenSSL has no other clock
ROOT_PARTY = Party("root")
ROOT = ROOT_PARTY.certify(ROOT_PARTY)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to be in, with no settings but these."""
    environ = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "environ", environ)
    monkeypatch.setattr(command, "reactor", MemoryReactorClock())
    return environ


def lines(capsys):
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


# --- make-cert


def test_make_cert_writes_four_files_and_says_what_a_device_needs(place, tmp_path, capsys):
    assert command.main(["make-cert", "localhost", "127.0.0.1"]) == 0
    out, err = lines(capsys)
    assert err == []
    assert sorted(out[:4]) == [
        "wrote config/authority-cert.pem",
        "wrote config/authority-key.pem",
        "wrote config/private-key.pem",
        "wrote config/public-cert.pem",
    ]
    assert "the server's certificate is for localhost, 127.0.0.1" in out
    assert (
        out[-1]
        == "devices trust this proxy with a copy of config/authority-cert.pem, as PROXY_CERT_FILE"
    )


def test_a_renewal_says_that_devices_need_nothing(place, capsys):
    command.main(["make-cert", "localhost"])
    capsys.readouterr()
    assert command.main(["make-cert", "localhost", "--days", "30"]) == 0
    out, _err = lines(capsys)
    assert "kept config/authority-cert.pem: devices need nothing new" in out
    assert len([line for line in out if line.startswith("wrote")]) == 2


def test_make_cert_writes_where_the_settings_or_the_option_say(place, tmp_path, capsys):
    place.update(CERT_FILE="certs/c.pem", KEY_FILE="keys/k.pem", PORT="not looked at")
    assert command.main(["make-cert", "localhost"]) == 0
    assert (tmp_path / "certs/c.pem").exists()
    assert (tmp_path / "keys/k.pem").exists()
    assert command.main(["make-cert", "localhost", "--out", "other"]) == 0
    assert sorted(file.name for file in (tmp_path / "other").iterdir()) == [
        "authority-cert.pem",
        "authority-key.pem",
        "c.pem",
        "k.pem",
    ]


def test_make_cert_for_tessel_1_has_files_and_an_authority_of_its_own(place, tmp_path, capsys):
    command.main(["make-cert", "localhost"])
    capsys.readouterr()
    assert command.main(["make-cert", "--for-tessel-1", "localhost"]) == 0
    out, _err = lines(capsys)
    assert [line for line in out if line.startswith("wrote")] == [
        "wrote config/tessel-1-key.pem",
        "wrote config/tessel-1-cert.pem",
        "wrote config/tessel-1-authority-key.pem",
        "wrote config/tessel-1-authority-cert.pem",
    ]
    assert out[-1].startswith("devices trust this proxy with PROXY_CERT set to the text of config/")
    files = [tmp_path / "config" / f"{each}authority-key.pem" for each in ("", "tessel-1-")]
    assert files[0].read_bytes() != files[1].read_bytes()


def test_make_cert_encrypts_keys_with_key_pass(place, tmp_path):
    (tmp_path / "pass").write_text("open sesame\n")
    place.update(KEY_PASS_FILE="pass")
    assert command.main(["make-cert", "localhost"]) == 0
    assert "ENCRYPTED" in (tmp_path / "config/private-key.pem").read_text()


def test_make_cert_reports_each_faulty_name(place, capsys):
    assert command.main(["make-cert", "a:1", "b/2"]) == 1
    _out, err = lines(capsys)
    assert err[0] == "tessel-proxy: no certificate was made:"
    assert [line[:7] for line in err[1:]] == ["  'a:1'", "  'b/2'"]


def test_make_cert_reports_what_cannot_be_written(place, tmp_path, capsys):
    (tmp_path / "config").write_text("a file")
    assert command.main(["make-cert", "localhost"]) == 1
    _out, err = lines(capsys)
    assert err[0] == "tessel-proxy: no certificate was made:"
    assert err[1].startswith("  config")


def test_make_cert_with_a_faulty_setting_is_a_fault_of_the_settings(place, capsys):
    place.update(KEY_PASS_FILE="nowhere")
    assert command.main(["make-cert", "localhost"]) == 2
    _out, err = lines(capsys)
    assert err == [
        "tessel-proxy: wrong settings (TP3001):",
        "  KEY_PASS_FILE='nowhere' cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize(
    "argv",
    [
        ["make-cert"],
        ["make-cert", "localhost", "--days", "0"],
        ["make-cert", "localhost", "--days", "x"],
        ["dance"],
        ["serve", "now"],
    ],
)
def test_faulty_arguments_end_with_2(place, argv, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(argv)
    assert ended.value.code == 2


def test_help_has_the_table_of_settings(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    out, _err = capsys.readouterr()
    assert ended.value.code == 0
    assert "EGRESS_ALLOW" in out
    assert "default: config/private-key.pem" in " ".join(out.split())  # however it is wrapped


# --- check-config


@pytest.fixture
def usable(place, capsys):
    command.main(["make-cert", "localhost"])
    capsys.readouterr()
    place.update(AUTH_HARDCODED="DEV-CRED")
    return place


def test_check_config_shows_what_the_settings_come_to_and_no_secret(usable, capsys):
    assert command.main(["check-config"]) == 0
    out, err = lines(capsys)
    assert {"PORT=5005", "AUTH_HARDCODED=(set)", "certificate: localhost"} <= set(out)
    assert "tokens are checked by: AUTH_HARDCODED" in out
    assert out[-1] == "the settings can be used"
    assert (err, "DEV-CRED" in "".join(out)) == ([], False)


def test_check_config_hints_at_misspelt_settings(usable, capsys):
    usable.update(EGRES_ALLOW="::1")
    assert command.main(["check-config"]) == 0
    _out, err = lines(capsys)
    assert err == ["hint: EGRES_ALLOW is not a setting: did you mean EGRESS_ALLOW?"]


def test_check_config_hints_at_a_file_that_lets_nobody_in(usable, tmp_path, capsys):
    accounts = tmp_path.joinpath("accounts")
    accounts.write_text("# none yet\n")
    accounts.chmod(0o600)
    usable.update(AUTH_FILE="accounts")
    assert command.main(["check-config"]) == 0
    assert lines(capsys)[1] == []  # those with the shared token get in
    del usable["AUTH_HARDCODED"]
    assert command.main(["check-config"]) == 0
    (hint,) = lines(capsys)[1]
    assert hint.startswith("hint: AUTH_FILE='accounts' has no line yet, so no device is accepted;")


@pytest.mark.parametrize("argv", [["check-config"], ["serve"], []])
def test_all_faults_of_settings_files_and_plugin_are_reported_at_once(place, argv, capsys):
    place.update(PORT="x", AUTH_PLUGIN="no_such:x", AUTH_PLUGIN_FILE="x", TARGET_CA_FILE="none.pem")
    assert command.main(argv) == 2
    _out, err = lines(capsys)
    assert [line.split("=")[0].split()[0] for line in err] == [
        "tessel-proxy:",
        "PORT",
        "CERT_FILE",
        "KEY_FILE",
        "AUTH_PLUGIN",
        "TARGET_CA_FILE",
        "AUTH_PLUGIN_FILE",
    ]


def test_a_missing_authenticator_is_reported_once(place):
    with pytest.raises(ConfigError) as raised:
        get_ready({}, MemoryReactorClock())
    assert len([fault for fault in raised.value.faults if "no authenticator" in fault]) == 1


def test_a_faulty_authenticator_is_not_missing_as_well(place):
    with pytest.raises(ConfigError) as raised:
        get_ready({"AUTH_PLUGIN": "nope"}, MemoryReactorClock())
    assert not [fault for fault in raised.value.faults if "no authenticator" in fault]


def test_what_is_ready_is_all_that_a_proxy_is_made_of(usable):
    ready = get_ready(usable, MemoryReactorClock())
    assert ready.config == Config(auth_hardcoded=("DEV-CRED",))
    assert isinstance(ready.tls, ServerTLS)


def test_a_listener_for_tessel_1_is_ready_with_its_own_certificate(usable, capsys):
    command.main(["make-cert", "--for-tessel-1", "board.example"])
    usable.update(LEGACY_PORT="5006")
    capsys.readouterr()
    assert command.main(["check-config"]) == 0
    out, err = lines(capsys)
    assert "certificate for Tessel 1: board.example" in out
    assert err == []
    ready = get_ready(usable, MemoryReactorClock())
    assert ready.reloadables[:2] == (ready.tls, ready.legacy_tls)


def test_check_config_hints_at_what_is_weak_about_a_listener_for_tessel_1(usable, capsys):
    usable.update(
        LEGACY_PORT="5006",
        LEGACY_CERT_FILE="config/public-cert.pem",
        LEGACY_KEY_FILE="config/private-key.pem",
        CLIENT_CA_FILE="config/authority-cert.pem",
    )
    assert command.main(["check-config"]) == 0
    _out, err = lines(capsys)
    assert [line.split(" ")[1] for line in err] == ["CLIENT_CA_FILE", "LEGACY_KEY_FILE"]


def test_make_cert_for_tessel_1_refuses_addresses(place, tmp_path, capsys):
    assert command.main(["make-cert", "--for-tessel-1", "10.0.0.1", "board.example"]) == 1
    _out, err = lines(capsys)
    assert err[0] == "tessel-proxy: no certificate was made:"
    assert err[1].startswith("  10.0.0.1 is an address, and a Tessel 1 verifies only DNS names")
    assert not (tmp_path / "config").exists()


def test_check_config_hints_that_boards_need_a_name(usable, capsys):
    command.main(["make-cert", "127.0.0.1", "--out", "addresses"])
    capsys.readouterr()
    usable.update(
        LEGACY_PORT="5006",
        LEGACY_CERT_FILE="addresses/public-cert.pem",
        LEGACY_KEY_FILE="addresses/private-key.pem",
    )
    assert command.main(["check-config"]) == 0
    _out, err = lines(capsys)
    assert [line.startswith("hint: LEGACY_CERT_FILE contains no DNS name") for line in err] == [
        True
    ]


def test_check_config_warns_of_certificates_that_are_of_no_use(usable, tmp_path, capsys):
    expired = Party("gone").certify(Party("gone"), end=LATELY)
    for name in ("config/public-cert.pem", "targets.pem", "devices.pem"):
        with (tmp_path / name).open("ab") as file:
            file.write(pem(*([] if "config" in name else [ROOT]), expired))
    usable.update(TARGET_CA_FILE="targets.pem", CLIENT_CA_FILE="devices.pem")
    assert command.main(["check-config"]) == 0
    _out, err = lines(capsys)
    assert [line.partition("=")[0] for line in err] == [
        "hint: CERT_FILE",
        "hint: CLIENT_CA_FILE",
        "hint: TARGET_CA_FILE",
    ]
    assert all("CN=gone expired at" in line for line in err)


def test_revocation_lists_are_for_authorities_that_are_named(usable, tmp_path, capsys):
    (tmp_path / "lists.pem").write_bytes(pem(ROOT_PARTY.revoke()))
    (tmp_path / "devices.pem").write_bytes(pem(ROOT))
    usable.update(CLIENT_CRL_FILE="lists.pem")
    assert command.main(["check-config"]) == 2
    _out, err = lines(capsys)
    assert err[1:] == [
        "  CLIENT_CRL_FILE='lists.pem' is set without CLIENT_CA_FILE; allowed: both, or neither"
    ]
    usable.update(CLIENT_CA_FILE="devices.pem")
    assert command.main(["check-config"]) == 0
    out, _err = lines(capsys)
    assert [line for line in out if line.startswith("revocation lists valid until: 20")]


def test_a_port_can_be_for_one_listener_alone(usable, capsys):
    command.main(["make-cert", "--for-tessel-1", "board.example"])
    usable.update(LEGACY_PORT="5005")
    capsys.readouterr()
    assert command.main(["check-config"]) == 2
    _out, err = lines(capsys)
    assert err[1:] == ["  LEGACY_PORT=5005 is PORT, too; allowed: another one"]


def test_the_version_is_printed_with_the_name(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tessel-proxy {version('tessel-proxy')}\n"


def test_check_config_hints_at_keys_and_tokens_that_everybody_can_read(usable, tmp_path, capsys):
    secrets = {"AUTH_HARDCODED_FILE": "token", "KEY_PASS_FILE": "pass", "AUTH_FILE": "accounts"}
    del usable["AUTH_HARDCODED"]
    for each in secrets.values():
        tmp_path.joinpath(each).write_text("# none\nDEV-CRED" if each == "token" else "#")
        tmp_path.joinpath(each).chmod(0o644)
    usable.update(secrets)
    tmp_path.joinpath("config/private-key.pem").chmod(0o644)
    assert command.main(["check-config"]) == 0
    _out, err = lines(capsys)
    assert {line.split(" ")[1].partition("=")[0] for line in err} == {"KEY_FILE", *secrets}
    assert all(line.endswith("(mode 644): chmod 600") for line in err)


def test_a_log_file_that_cannot_be_written_is_hinted_at(usable, tmp_path, capsys):
    usable.update(LOG_FILE=str(tmp_path / "missing" / "proxy.log"))
    assert command.main(["check-config"]) == 0
    assert "cannot be written: the log goes to standard error only" in capsys.readouterr().err
    usable.update(LOG_FILE=str(tmp_path))
    assert command.main(["check-config"]) == 0
    assert "is not a regular file: the log goes to standard error" in capsys.readouterr().err
    usable.update(LOG_FILE=str(tmp_path / "proxy.log"))
    assert command.main(["check-config"]) == 0
    assert "LOG_FILE" not in capsys.readouterr().err
    assert not (tmp_path / "proxy.log").exists()  # whoever checks may be another user


def test_an_audit_file_that_cannot_be_used_is_hinted_at_and_never_the_log_file(
    usable, tmp_path, capsys
):
    usable.update(AUDIT_LOG_FILE=str(tmp_path / "missing" / "audit.log"))
    assert command.main(["check-config"]) == 0
    assert "cannot be written: the audit goes to the log" in capsys.readouterr().err
    usable.update(AUDIT_LOG_FILE="proxy.log", LOG_FILE=str(tmp_path / "proxy.log"))
    assert command.main(["check-config"]) == 2
    assert "AUDIT_LOG_FILE='proxy.log' is LOG_FILE, too" in capsys.readouterr().err


def test_a_log_file_in_a_folder_that_cannot_be_written_is_hinted_at(
    usable, tmp_path, monkeypatch, capsys
):
    (tmp_path / "proxy.log").touch()
    usable.update(LOG_FILE=str(tmp_path / "proxy.log"))
    monkeypatch.setattr("os.access", lambda path, _mode: path != tmp_path)  # also for root
    assert command.main(["check-config"]) == 0
    assert "it grows beyond LOG_FILE_MIB" in capsys.readouterr().err


def test_the_log_goes_on_without_a_file_that_cannot_be_opened(tmp_path):
    missing = tmp_path / "missing" / "proxy.log"
    assert run_module.log_files(Config(log_file=missing)) == []
    (file,) = run_module.log_files(Config(log_file=tmp_path / "proxy.log"))
    file.write("a line\n")
    file.flush()
    assert (tmp_path / "proxy.log").read_text() == "a line\n"


# --- serving


def test_serve_runs_the_proxy_with_what_is_ready_and_reports_hints(usable, monkeypatch):
    begun, made, run = [], [], []

    class Proxy(Service):
        metrics = CollectorRegistry()
        usage = operated = None

        def __init__(self, *parts, **more):
            made.append((*parts, more))

        def reload(self):
            """As the proxy's."""

        def abort(self):
            """As the proxy's."""

    class Run:
        def __init__(
            self,
            start,
            stop,
            reactor,
            *,
            reload,
            hangups,
            halt,
            stop_timeout_s,
            error_codes,
            **more,
        ):
            assert list(more) == ["notifier"]
            assert hangups == "hangups"
            assert (halt.__name__, stop_timeout_s) == ("abort", 40)
            assert error_codes == {"cannot_listen": "TP3002"}
            run.append((start.__name__, stop.__name__, reactor))
            reload()

        def run(self):
            return 7

    monkeypatch.setattr(run_module, "ProxyService", Proxy)
    monkeypatch.setattr(run_module, "Serving", Run)
    monkeypatch.setattr(run_module, "Hangups", lambda: "hangups")
    monkeypatch.setattr(run_module, "begin_logging", lambda *how: begun.append(how))
    usable.update(LOG_FORMAT="json", PORTS="1", AUTH_HARDCODE="x")
    with capturedLogs() as logged:
        assert command.main([]) == 7
    ((config, reactor, authenticator, tls, *_more, named),) = made
    assert named["token_service"] is not None
    assert (config.auth_hardcoded, reactor) == (("DEV-CRED",), command.reactor)
    assert (type(authenticator).__name__, type(tls).__name__) == (
        "HardcodedAuthenticator",
        "ServerTLS",
    )
    assert run == [("start", "stop", command.reactor)]
    assert begun == [(sys.stderr, LogLevel.INFO, LogFormat.JSON)]  # and no file
    assert [each["event"] for each in logged] == ["setting_hint"] * 2 + ["not_reloaded"]
    assert logged[-1]["settings"] == "AUTH_HARDCODED"


# --- as a process


def start(tmp_path, **settings):
    environ = {"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "json"}
    return subprocess.Popen(
        [sys.executable, "-m", "tessel_proxy"],
        env={**environ, "AUTH_HARDCODED": "DEV-CRED", **settings},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_listens_where_it_says_and_stops_on_sigterm(usable, tmp_path):
    with start(tmp_path) as process:
        try:
            listening = json.loads(process.stderr.readline())
            with socket.create_connection((listening["host"], listening["port"]), timeout=10):
                pass
            process.send_signal(signal.SIGTERM)
            _out, rest = process.communicate(timeout=20)
        finally:
            process.kill()
    assert listening["event"] == "listening"
    assert process.returncode == 0
    assert all(json.loads(line)["level"] != "critical" for line in rest.splitlines())


def test_the_command_ends_with_1_when_its_port_is_taken(usable, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(tmp_path, PORT=str(port)) as process:
            try:
                _out, err = process.communicate(timeout=20)
            finally:
                process.kill()
    assert process.returncode == 1
    line = json.loads(err)
    assert (line["event"], line["error"]) == ("cannot_listen", "TP3002")
    assert line["why"] == "Address already in use"


def test_a_sighup_while_it_gets_ready_does_not_end_it(usable, tmp_path):
    (tmp_path / "hangup.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)\ncheck = print\n"
    )
    settings = {"AUTH_HARDCODED": "", "AUTH_PLUGIN": "hangup:check", "PYTHONPATH": str(tmp_path)}
    with start(tmp_path, PORT="0", **settings) as process:
        try:
            told = [json.loads(process.stderr.readline())["event"] for _ in range(3)]
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert "reloading" in told
    assert process.returncode == 0


def test_a_worker_whose_settings_are_at_fault_says_so_in_one_line_of_the_log(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "tessel_proxy", "worker", "--number=2", "--sockets=main=5"],
        env={**os.environ, "LOG_FORMAT": "text", "CERT_FILE": "none"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert " critical wrong_settings TP3001 [2] wrong settings: " in line
    assert "CERT_FILE='none'" in line
