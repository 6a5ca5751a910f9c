"""Secrets in files: read again while the proxy serves, or told to be kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_twisted
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.web.server import Site

from support.certificate_authorities import make_certificates
from support.deferred_outcome import Outcome
from support.token_site import KEY, Listening, TokenSite, oauth
from tessel_proxy.auth import Account, Refused, authenticator_for
from tessel_proxy.files.secret_files import held_until_restart
from tessel_proxy.front.tls import server_tls
from tessel_proxy.startup.config import SETTINGS, Config
from tessel_proxy.startup.reload import Reloader
from tessel_service_kit.settings import ConfigError

NOW = datetime.now(UTC)


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "token"
    file.write_text("old\n")
    return file


def chosen_by(**environ):
    config = Config.from_env(environ)
    return authenticator_for(config, MemoryReactorClock(), Config.secret_files(environ))


def answers(chosen, *tokens):
    return [Outcome(chosen.authenticator.check(each)).value != Refused() for each in tokens]


# --- the shared token


def test_a_shared_token_in_a_file_is_replaced_when_the_file_has_changed(file):
    chosen = chosen_by(AUTH_HARDCODED_FILE=str(file))
    clock = Clock()
    reloader = Reloader(clock, chosen.secrets, 5)
    reloader.start()
    assert answers(chosen, "old", "new") == [True, False]
    file.write_text("old\nnew\n")  # both, while devices are moved over
    clock.pump([5, 5])
    assert answers(chosen, "old", "new") == [True, True]
    file.write_text("new\n")
    clock.pump([5, 5])
    assert answers(chosen, "old", "new") == [False, True]


@pytest.mark.parametrize("text", ["", " \n", "'quoted'\n", "# none\n", None])
def test_a_file_that_holds_no_token_leaves_the_old_one(file, text):
    chosen = chosen_by(AUTH_HARDCODED_FILE=str(file))
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(ConfigError):
        chosen.secrets[0].reload()
    assert answers(chosen, "old") == [True]


def test_what_changes_between_the_first_look_and_the_second_is_used(file):
    environ = {"AUTH_HARDCODED_FILE": str(file)}
    config, files = Config.from_env(environ), Config.secret_files(environ)
    file.write_text("new\n")
    chosen = authenticator_for(config, MemoryReactorClock(), files)
    assert answers(chosen, "old", "new") == [False, True]


def test_all_of_several_tokens_are_one_account(file):
    chosen = chosen_by(AUTH_HARDCODED="old\nnew")
    assert chosen.secrets == ()
    for each in ("old", "new"):
        assert Outcome(chosen.authenticator.check(each)).value == Account("hardcoded")
    assert answers(chosen, "old\nnew", "") == [False, False]


# --- the token service


@pytest_twisted.ensureDeferred
async def test_new_credentials_of_the_token_service_are_used_and_its_tokens_kept_apart():
    site, other = TokenSite(), TokenSite()
    other.answers["/users/profile"] = (200, {"username": "other", "apiKey": KEY})
    async with Listening(Site(site)) as first, Listening(Site(other)) as second:
        checker = oauth(first.url)
        await checker.check(KEY)
        same = checker._service
        checker.use(replace(same))
        await checker.check(KEY)
        assert [path for _method, path, *_ in site.asked][2:] == ["/users/profile"]
        checker.use(replace(same, url=second.url))
        assert await checker.check(KEY) == Account("other")
        assert [path for _method, path, *_ in other.asked] == ["/oauth/token", "/users/profile"]


def test_the_token_service_in_a_file_is_read_again(file):
    file.write_text("http://id:one@localhost")
    chosen = chosen_by(AUTH_TESSEL_OA2_FILE=str(file))
    oauth_checker, remembered = chosen.secrets[0]._use.args
    assert chosen.authenticator is remembered
    file.write_text("http://id:two@localhost")
    chosen.secrets[0].reload()
    assert oauth_checker._service.client_secret == "two"
    assert chosen.secrets[0].name == "AUTH_TESSEL_OA2_FILE"


def test_a_token_that_was_refused_is_asked_about_anew_when_the_service_changes(file):
    file.write_text("http://id:one@localhost")
    chosen = chosen_by(AUTH_TESSEL_OA2_FILE=str(file))
    remembered = chosen.authenticator
    remembered._keep(Refused(), b"refused", began=remembered._clock.seconds())
    remembered._keep(Account("kim"), b"accepted", began=remembered._clock.seconds())
    chosen.secrets[0].reload()
    assert remembered._fresh(b"refused") is None
    assert remembered._fresh(b"accepted") == Account("kim")


# --- the passphrase


def test_a_new_passphrase_is_read_with_the_new_key(tmp_path):
    passphrase = tmp_path / "pass"
    passphrase.write_text("first\n")
    config = Config(cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem", key_pass=b"first")
    make_certificates(["proxy.example"], config, NOW)
    files = Config.secret_files({"KEY_PASS_FILE": str(passphrase)})
    tls = server_tls(config, (NOW + timedelta(hours=1)).timestamp, files["key_pass"])
    assert tls.paths == (config.cert_file, config.key_file, passphrase)
    for each in tmp_path.glob("authority-*"):
        each.unlink()
    passphrase.write_text("second\n")
    made = make_certificates(["proxy.example"], replace(config, key_pass=b"second"), NOW)
    tls.reload()
    assert tls.identity.certificate == made.server


# --- what is not read again


def test_what_no_reload_reads_is_named(file, tmp_path):
    environ = {
        "AUTH_HARDCODED_FILE": str(file),
        "AUTH_TESSEL_OA2_FILE": str(tmp_path),  # no file
        "KEY_PASS": "x",
        "AUTH_PLUGIN": "a:b",
        "PORT": "1",
    }
    kept = ["KEY_PASS", "AUTH_TESSEL_OA2_FILE", "AUTH_PLUGIN"]
    assert held_until_restart(SETTINGS, environ) == kept
