"""The command `tessel-oauth`: in this process where it can be, as a real process where it must."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

import pytest

from tessel_oauth.__main__ import _print_or_fail, main
from tessel_oauth.store import Account, Store
from tessel_service_kit.logs import LogFormat, LogLevel

COMMAND = [sys.executable, "-W", "error", "-m", "tessel_oauth"]
PATIENCE_S = 30


@pytest.fixture
def file(database, monkeypatch):
    """A database with one account, and the environment that names it."""
    with closing(Store.open(database, now=0.0)) as store:
        store.add_account(Account("anna", "", "", "old key"))
    monkeypatch.setenv("DATABASE", database)
    return database


def test_help_shows_every_setting(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "CLIENT_SECRET_FILE" in told
    assert "renew-key" in told


def test_all_faulty_settings_are_reported_and_nothing_starts(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("LOG_LEVEL", "x")

    assert main([]) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("tessel-oauth: PORT='x'; allowed: ")
    assert second.startswith("tessel-oauth: LOG_LEVEL='x'; allowed: ")


def test_renew_key_prints_the_new_key(file, capsys):
    assert main(["renew-key", "anna"]) == 0

    key = capsys.readouterr().out.strip()
    assert len(bytes.fromhex(key)) == 16
    with closing(Store.open_existing(file)) as store:
        assert store._row("SELECT api_key FROM account") == (key,)


@pytest.mark.parametrize(
    "told",
    [
        (
            "anna",
            ":memory:",
            (
                "renew-key needs a file: set DATABASE to the one that the server uses "
                "(a database in memory can be used by its server only)"
            ),
        ),
        (
            "anna",
            "/nowhere.sqlite",
            "there is no database '/nowhere.sqlite'; the server creates it",
        ),
    ],
)
def test_renew_key_reports_why_it_failed(file, monkeypatch, capsys, told):
    account, path, why = told
    monkeypatch.setenv("DATABASE", path or file)

    assert main(["renew-key", account]) == 1

    assert capsys.readouterr() == ("", f"tessel-oauth: {why}\n")


def test_renew_key_refuses_accounts_that_are_not_in_the_file(file, capsys):
    assert main(["renew-key", "berta"]) == 1

    assert capsys.readouterr() == ("", f"tessel-oauth: there is no account 'berta' in {file}\n")


def test_the_version_is_printed_with_the_name(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tessel-oauth {version('tessel-oauth')}\n"


def test_misspelt_settings_and_exposed_secrets_cause_hints(file, monkeypatch, capsys, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hush")
    secret.chmod(0o644)
    monkeypatch.setenv("TOKEN_LIFETIME", "60")
    monkeypatch.setenv("CLIENT_SECRET_FILE", str(secret))
    Path(file).chmod(0o604)
    assert main(["renew-key", "nobody"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == (
        "tessel-oauth: hint: TOKEN_LIFETIME is not a setting: did you mean TOKEN_LIFETIME_S?"
    )
    assert [line.split(" ")[2].partition("=")[0] for line in said[1:3]] == [
        "CLIENT_SECRET_FILE",
        "DATABASE",
    ]


def test_misspelt_settings_are_reported_besides_faults(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("CLIENT_IDS", "x")
    assert main([]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "tessel-oauth: PORT='x'; allowed: an integer from 0 to 65535",
        "tessel-oauth: CLIENT_IDS is not a setting: did you mean CLIENT_ID?",
    ]


@pytest.mark.parametrize("argv", [[], ["serve"]])
def test_serve_is_the_default_command(monkeypatch, capsys, argv):
    begun = []

    class FakeServing:
        def __init__(self, start, stop, _reactor, foreseen):
            assert start.__self__ is stop.__self__
            start.__self__._show_key("anna", "the key")

        def run(self):
            return 7

    monkeypatch.setattr("tessel_oauth.__main__.Serving", FakeServing)
    monkeypatch.setattr("tessel_oauth.__main__.begin_logging", lambda *how: begun.append(how))

    assert main(argv) == 7
    assert capsys.readouterr().out == "API key of account anna, shown only once: the key\n"
    assert begun == [(sys.stderr, LogLevel.INFO, LogFormat.TEXT)]


class Running:
    """A `tessel-oauth` of its own, on a free port."""

    def __init__(self, **environ):
        self.environ = {"PATH": os.environ["PATH"], "PORT": "0", "LOG_FORMAT": "json"} | environ
        self.process = subprocess.Popen(
            COMMAND,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        self.listening = json.loads(self.process.stderr.readline())
        assert self.listening["event"] == "listening"
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def ask(self, path, form=None, headers=None):
        url = f"http://{self.listening['host']}:{self.listening['port']}{path}"
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(url, data, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def grant(self, api_key):
        form = {"grant_type": "https://tessel-grant", "api_key": api_key}
        basic = base64.b64encode(b"tessel-proxy-dev:the-tessel-devenv").decode()
        return self.ask("/oauth/token", form, {"Authorization": f"Basic {basic}"})

    def renew_key(self, account):
        return subprocess.run(
            [*COMMAND, "renew-key", account],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def stop(self):
        """Exit code, and what stood on the standard streams since."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, [json.loads(line) for line in err.splitlines()]


def test_a_key_can_be_renewed_while_a_server_runs(database):
    with Running(DATABASE=database, SEED_API_KEY="DEV-CRED") as running:
        assert running.ask("/healthz") == (200, {"status": "ok"})
        status, granted = running.grant("DEV-CRED")
        assert status == 200

        renewed = running.renew_key("tessel-dev")
        assert (renewed.returncode, renewed.stderr) == (0, "")
        key = renewed.stdout.strip()

        status, refused = running.grant("DEV-CRED")
        assert (status, refused["error"]) == (400, "invalid_request")
        assert running.grant(key)[0] == 200
        _, profile = running.ask("/users/profile", {"access_token": granted["access_token"]})
        assert profile["apiKey"] == key

        exit_code, out, log = running.stop()

    assert exit_code == 0
    assert out == ""
    assert log[-1]["event"] == "stopped"
    assert not any(secret in str(log) for secret in ("DEV-CRED", key, granted["access_token"]))


def test_a_generated_key_is_shown_once_and_works():
    with Running() as running:
        shown = running.process.stdout.readline()
        assert shown.startswith("API key of account tessel-dev, shown only once: ")
        assert running.grant(shown.split()[-1])[0] == 200

        exit_code, out, _ = running.stop()

    assert (exit_code, out) == (0, "")


def test_a_blocked_standard_output_does_not_block_the_server(monkeypatch):
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 4096)
    os.set_blocking(write_end, True)
    with os.fdopen(read_end), os.fdopen(write_end, "w") as stalled:
        monkeypatch.setattr("sys.stdout", stalled)
        with pytest.raises(OSError, match="nobody reads it"):
            _print_or_fail("x")


def test_a_server_warns_of_misspelt_settings():
    process = subprocess.run(
        [*COMMAND, "serve"],
        env={
            "PATH": os.environ["PATH"],
            "PORT": "0",
            "SEED_ACOUNT": "x",
            "DATABASE": "/no/x.sqlite",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "setting_hint SEED_ACOUNT is not a setting: did you mean SEED_ACCOUNT?" in process.stderr


def test_a_server_that_cannot_start_reports_why(tmp_path):
    missing = str(tmp_path / "missing" / "x.sqlite")

    done = subprocess.run(
        COMMAND,
        env={"PATH": os.environ["PATH"], "PORT": "0", "DATABASE": missing},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert f"start_failed cannot start: the database '{missing}' cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
