from contextlib import suppress

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from support.deferred_outcome import Outcome
from tessel_proxy.auth import (
    Account,
    AuthUnavailableError,
    CachingAuthenticator,
    FileAuthenticator,
    HardcodedAuthenticator,
    PluginAuthenticator,
    Refused,
    authenticator_for,
)
from tessel_proxy.auth import local as hardcoded_module
from tessel_proxy.auth.interface import MAX_ACCOUNT_CHARACTERS
from tessel_proxy.auth.plugin import load_validator
from tessel_proxy.startup.config import Config
from tessel_service_kit.settings import ConfigError

TOKEN = "5ecret-t0ken"


def ask(validate, *, clock=None, timeout_s=10.0):
    return Outcome(PluginAuthenticator(validate, clock or Clock(), timeout_s).check(TOKEN))


# --- accounts


@pytest.mark.parametrize("name", ["a", "tessel-dev", "Zoë", "a b", "x" * MAX_ACCOUNT_CHARACTERS])
def test_an_account_has_a_printable_name(name):
    assert Account.named(name) == Account(name)


@pytest.mark.parametrize(
    "name", [None, 7, True, b"x", "", "a\nb", "\x1b[2J", "x" * (MAX_ACCOUNT_CHARACTERS + 1)]
)
def test_what_cannot_name_an_account_is_reported_without_being_quoted(name):
    with pytest.raises(ValueError, match=r"^an account's name (is \w+|of \d+ characters); allowed"):
        Account.named(name)


# --- the shared password


def test_the_shared_password_is_accepted():
    assert Outcome(HardcodedAuthenticator("DEV-CRED").check("DEV-CRED")).value == Account(
        "hardcoded"
    )


@pytest.mark.parametrize("token", ["", "DEV-CRE", "DEV-CREDS", "dev-cred", "ÐEV-CRED", "\ud800"])
def test_any_other_token_is_refused(token):
    assert Outcome(HardcodedAuthenticator("DEV-CRED").check(token)).value == Refused()


def test_passwords_beyond_ascii_are_compared_as_bytes():
    assert Outcome(HardcodedAuthenticator("pässwörd").check("pässwörd")).value == Account(
        "hardcoded"
    )


def test_the_comparison_takes_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(
        hardcoded_module.hmac, "compare_digest", lambda *pair: compared.append(pair) or True
    )
    HardcodedAuthenticator("DEV-CRED").check("guess")
    assert compared == [(b"DEV-CRED", b"guess")]


# --- plug-ins


def test_a_plugin_answers_with_an_account():
    asked = []
    outcome = ask(lambda token: asked.append(token) or "ada")
    assert (outcome.value, asked) == (Account("ada"), [TOKEN])


def test_a_plugin_refuses_with_none():
    assert ask(lambda _token: None).value == Refused()


def test_a_plugin_may_be_a_coroutine():
    async def validate(_token):
        return "ada"

    assert ask(validate).value == Account("ada")


def test_a_plugin_may_answer_later():
    answer = Deferred()
    outcome = ask(lambda _token: answer)
    assert outcome.pending
    answer.callback(None)
    assert outcome.value == Refused()


def test_a_plugin_that_takes_too_long_is_cancelled_and_cannot_say():
    clock, cancelled = Clock(), []
    outcome = ask(lambda _token: Deferred(cancelled.append), clock=clock, timeout_s=3)
    clock.advance(2.9)
    assert outcome.pending
    clock.advance(0.2)
    assert isinstance(outcome.error, AuthUnavailableError)
    assert str(outcome.error) == "no answer within 3 s"
    assert len(cancelled) == 1


async def stubborn(_token):
    """A validator that goes on when it is cancelled."""
    while True:
        with suppress(CancelledError):
            await Deferred()


def test_a_plugin_that_will_not_be_cancelled_cannot_say_at_the_deadline_either():
    clock = Clock()
    outcome = ask(stubborn, clock=clock, timeout_s=3)
    clock.advance(3)
    assert isinstance(outcome.error, AuthUnavailableError)
    assert str(outcome.error) == "no answer within 3 s"


def test_a_check_can_be_cancelled_though_its_plugin_cannot():
    clock = Clock()
    check = PluginAuthenticator(stubborn, clock, 3).check(TOKEN)
    outcome = Outcome(check)
    check.cancel()
    assert isinstance(outcome.error, CancelledError)
    assert not clock.getDelayedCalls()


def test_an_answer_after_the_deadline_is_nobodys():
    clock, late = Clock(), Deferred(lambda _: None)
    late.cancel = lambda: None
    outcome = ask(lambda _token: late, clock=clock, timeout_s=3)
    clock.advance(3)
    late.callback("ada")
    assert isinstance(outcome.error, AuthUnavailableError)
    assert outcome.value is None


def test_a_check_can_be_cancelled():
    clock, cancelled = Clock(), []
    check = PluginAuthenticator(lambda _token: Deferred(cancelled.append), clock, 3).check(TOKEN)
    outcome = Outcome(check)
    check.cancel()
    assert isinstance(outcome.error, CancelledError)
    assert (len(cancelled), clock.getDelayedCalls()) == (1, [])


def test_a_plugin_that_raises_cannot_say_and_its_message_which_may_be_the_token_is_not_reported():
    outcome = ask(lambda token: {}[token])
    assert isinstance(outcome.error, AuthUnavailableError)
    assert str(outcome.error).startswith(f"the plug-in raised KeyError at {__file__}:")
    assert outcome.error.__suppress_context__


def test_a_plugin_whose_deferred_fails_cannot_say():
    answer = Deferred()
    outcome = ask(lambda _token: answer)
    answer.errback(OSError(TOKEN))
    assert isinstance(outcome.error, AuthUnavailableError)
    assert TOKEN not in str(outcome.error)


@pytest.mark.parametrize("answer", [True, 7, "", b"ada", object(), "a\nb"])
def test_a_plugin_that_answers_anything_else_cannot_say(answer):
    error = ask(lambda _token: answer).error
    assert isinstance(error, AuthUnavailableError)
    assert str(error).startswith("the plug-in's answer: an account's name ")


# --- loading


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    (tmp_path / "own_plugins.py").write_text(
        "number = 7\ndef validate(token):\n    return 'ada' if token == '5ecret-t0ken' else None\n"
    )
    (tmp_path / "broken_plugins.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_plugin_is_loaded_by_name(plugins):
    config = Config(auth_plugin="own_plugins:validate")
    authenticator = authenticator_for(config, Clock()).authenticator
    assert Outcome(authenticator.check(TOKEN)).value == Account("ada")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own_plugins:missing", ": own_plugins has no callable named 'missing'"),
        ("own_plugins:number", ": own_plugins has no callable named 'number'"),
        ("no_such_plugins:x", " cannot be imported: ModuleNotFoundError: No module named"),
        ("broken_plugins:x", " cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_a_fault_of_the_settings(plugins, name, why):
    with pytest.raises(ConfigError) as raised:
        load_validator(name)
    assert raised.value.faults[0].startswith(f"AUTH_PLUGIN={name!r}{why}")


# --- the choice


def chosen(environ):
    return authenticator_for(Config.from_env(environ), MemoryReactorClock())


def test_the_token_service_wins_over_the_shared_password():
    found = chosen({"AUTH_HARDCODED": "x", "AUTH_TESSEL_OA2": "http://id:secret@localhost"})
    assert isinstance(found.authenticator, CachingAuthenticator)
    assert found.settings == ("AUTH_TESSEL_OA2",)


def test_the_shared_password_serves_alone_and_needs_no_memory():
    found = chosen({"AUTH_HARDCODED": "x"})
    assert isinstance(found.authenticator, HardcodedAuthenticator)
    assert (found.settings, found.by_file) == (("AUTH_HARDCODED",), None)


def test_a_file_serves_alone(tmp_path):
    file = tmp_path / "accounts"
    file.write_text("")
    found = chosen({"AUTH_FILE": str(file)})
    assert isinstance(found.authenticator, FileAuthenticator)
    assert found.by_file is found.authenticator


@pytest.mark.parametrize(
    ("name", "value"),
    [("AUTH_TESSEL_OA2", "http://id:secret@localhost"), ("AUTH_HARDCODED", "x")],
)
def test_a_file_is_asked_before_any_other(tmp_path, name, value):
    file = tmp_path / "accounts"
    file.write_text("")
    found = chosen({"AUTH_FILE": str(file), name: value})
    assert found.settings == ("AUTH_FILE", name)
    assert found.by_file.paths == (file,)


def test_a_file_that_cannot_be_read_is_a_fault_of_the_settings():
    with pytest.raises(ConfigError, match="AUTH_FILE='none' cannot be read: No such file"):
        chosen({"AUTH_FILE": "none"})


def test_without_an_authenticator_there_is_no_proxy():
    with pytest.raises(ConfigError, match="no authenticator is set"):
        authenticator_for(Config(), Clock())
