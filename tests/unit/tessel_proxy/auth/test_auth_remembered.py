"""Cached token checks: how long they last, what evicts them, and the grace period."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock

from support.proxy_in_memory import KIM, LoggedEvents, Says
from tessel_proxy.auth import (
    AuthMisconfiguredError,
    AuthUnavailableError,
    CachingAuthenticator,
    Refused,
)
from tessel_proxy.auth import cache as module
from tessel_proxy.auth.cache import CacheTimes
from tessel_proxy.auth.token_memory import BoundedMemory, SingleFlight, fresh_digest, keyed_digest
from tessel_proxy.auth.wrappers import AuthenticatorChain

DOWN = AuthUnavailableError("the service is down")


class Memory:
    """One that is asked through a memory."""

    def __init__(self, answer=KIM, fresh_s=30, stale_s=300):
        self.clock = Clock()
        self.service = Says(answer)
        self.remembered = CachingAuthenticator(
            self.service, self.clock, CacheTimes(fresh_s, stale_s), keyed_digest(b"k")
        )

    def ask(self, token="token"):
        """The answer, or the error."""
        got = []
        self.remembered.check(token).addBoth(got.append)
        return getattr(got[0], "value", got[0]) if got else None

    @property
    def times_asked(self):
        return len(self.service.asked)


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


@pytest.mark.parametrize("answer", [KIM, Refused()])
def test_an_answer_serves_for_a_short_time(answer):
    memory = Memory(answer)
    assert memory.ask() == memory.ask() == answer
    memory.clock.advance(29)
    memory.ask()
    assert memory.times_asked == 1
    memory.clock.advance(1)
    assert memory.ask() == answer
    assert memory.times_asked == 2


@pytest.mark.parametrize("answer", [KIM, Refused()])
def test_0_seconds_is_no_memory(answer):
    memory = Memory(answer, fresh_s=0, stale_s=0)
    assert memory.ask() == memory.ask() == answer
    assert memory.times_asked == 2


def test_each_token_has_its_own_answer():
    memory = Memory()
    memory.ask("one")
    memory.service.answer = Refused()
    assert memory.ask("another") == Refused()
    assert memory.ask("one") == KIM


def test_a_token_that_becomes_good_or_bad_does_so_when_it_is_asked_about_again():
    memory = Memory(Refused())
    for answer in (Refused(), KIM, Refused()):
        memory.service.answer = answer
        assert memory.ask() == answer
        memory.clock.advance(30)


def test_a_service_that_is_down_leaves_those_in_that_it_knew(logged):
    memory = Memory()
    memory.ask()
    memory.service.answer = DOWN
    memory.clock.advance(200)
    assert memory.ask() == KIM
    (line,) = logged.named("auth_stale")
    assert (line["account"], line["age"], line["why"]) == ("kim", 200, str(DOWN))
    assert (line["log_level"].name, line["error"]) == ("warn", "TP3010")


def test_a_fault_of_ours_is_reported_as_an_error_though_the_grace_hides_it(logged):
    memory = Memory()
    memory.ask()
    memory.service.answer = AuthMisconfiguredError("fix it")
    memory.clock.advance(200)
    assert memory.ask() == KIM
    (line,) = logged.named("auth_stale")
    assert (line["log_level"].name, line["error"]) == ("error", "TP3003")


def test_a_service_that_is_down_is_not_asked_at_each_turn():
    memory = Memory()
    memory.ask()
    memory.service.answer = DOWN
    memory.clock.advance(100)
    for _ in range(5):
        assert memory.ask() == KIM
    assert memory.times_asked == 2


def test_the_grace_is_counted_from_the_last_answer_and_ends():
    memory = Memory()
    memory.ask()
    memory.service.answer = DOWN
    memory.clock.advance(299)
    assert memory.ask() == KIM
    memory.clock.advance(1)
    assert memory.ask() is DOWN
    memory.service.answer = KIM
    assert memory.ask() == KIM


def test_unknown_and_refused_tokens_have_no_grace_period():
    memory = Memory(Refused())
    memory.ask("wrong")
    memory.clock.advance(30)
    memory.service.answer = DOWN
    assert memory.ask("wrong") is DOWN
    assert memory.ask("never seen") is DOWN


def test_that_it_could_not_be_checked_is_not_remembered():
    memory = Memory(DOWN)
    assert memory.ask() is DOWN
    memory.service.answer = KIM
    assert memory.ask() == KIM


def test_a_bug_is_no_reason_for_grace():
    memory = Memory()
    memory.ask()
    memory.clock.advance(100)
    memory.service.answer = ZeroDivisionError()
    assert isinstance(memory.ask(), ZeroDivisionError)


def test_guesses_push_out_guesses_alone(monkeypatch):
    monkeypatch.setattr(module, "MAX_REFUSED", 10)
    memory = Memory()
    memory.ask("good")
    memory.service.answer = Refused()
    for number in range(20):
        memory.ask(f"guess {number}")
    assert len(memory.remembered._refused_at) == 10
    assert memory.ask("good") == KIM


def test_neither_a_token_nor_its_plain_hash_is_kept():
    memory = Memory()
    memory.ask("S3CRET")
    assert "S3CRET" not in repr(vars(memory.remembered._accepted))
    assert fresh_digest()("S3CRET") != fresh_digest()("S3CRET")


@pytest.mark.parametrize("token", ["", "ключ", "\ud800", "x" * 100_000])
def test_any_text_has_a_digest(token):
    assert len(fresh_digest()(token)) == 32


# --- one question for all


def test_all_who_ask_the_same_at_once_share_one_question():
    memory = Memory(Deferred())
    got = []
    for _ in range(3):
        memory.remembered.check("token").addCallback(got.append)
    assert (memory.times_asked, got) == (1, [])
    memory.service.answer.callback(KIM)
    assert got == [KIM] * 3


def test_all_learn_that_there_is_no_answer():
    memory = Memory(Deferred())
    got = []
    for _ in range(2):
        memory.remembered.check("token").addErrback(lambda failure: got.append(failure.value))
    memory.service.answer.errback(DOWN)
    assert got == [DOWN] * 2


def ask_twice(flights, question):
    return [flights.join(b"key", lambda: question) for _ in range(2)]


def test_a_question_is_given_up_when_nobody_waits_for_it_any_more():
    given_up = []
    flights, question = SingleFlight(), Deferred(given_up.append)
    one, another = ask_twice(flights, question)
    for each in (one, another):
        each.addErrback(lambda failure: failure.trap(CancelledError))
    one.cancel()
    assert not given_up
    another.cancel()
    assert len(given_up) == 1
    assert not len(flights)


def test_who_comes_after_one_was_given_up_asks_anew():
    flights, slow = SingleFlight(), Deferred(lambda _: None)
    (one, another) = ask_twice(flights, slow)
    for each in (one, another):
        each.addErrback(lambda failure: failure.trap(CancelledError))
        each.cancel()
    got = []
    flights.join(b"key", lambda: succeed("new")).addCallback(got.append)
    assert got == ["new"]


def test_one_who_is_notified_may_give_up_for_another_who_is_just_about_to_be():
    flights, question, got = SingleFlight(), Deferred(), []
    first, second, third = [flights.join(b"key", lambda: question) for _ in range(3)]
    first.addCallback(lambda _answer: second.cancel())
    second.addErrback(lambda failure: got.append(failure.type))
    third.addCallback(got.append)
    question.callback("answer")
    assert got == [CancelledError, "answer"]


def test_what_was_used_longest_ago_is_forgotten():
    memory = BoundedMemory(2)
    memory.put(b"1", 1)
    memory.put(b"2", 2)
    memory.get(b"1")
    memory.put(b"3", 3)
    assert [memory.get(key) for key in (b"1", b"2", b"3")] == [1, None, 3]
    memory.drop(b"1")
    memory.drop(b"never there")
    assert len(memory) == 1


# --- several in turn


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((KIM, Refused()), KIM),
        ((Refused(), KIM), KIM),
        ((Refused(), Refused()), Refused()),
        ((DOWN, KIM), KIM),
        ((KIM, DOWN), KIM),
        ((DOWN, Refused()), DOWN),
        ((Refused(), DOWN), DOWN),
    ],
)
def test_the_first_that_knows_a_token_answers_and_it_is_wrong_when_all_said_so(answers, expected):
    got = []
    AuthenticatorChain([Says(each) for each in answers]).check("token").addBoth(got.append)
    assert getattr(got[0], "value", got[0]) == expected


def test_who_comes_after_one_that_knows_is_not_asked():
    later = Says()
    AuthenticatorChain([Says(KIM), later]).check("token")
    assert not later.asked


def test_a_check_that_began_before_a_doubt_is_neither_joined_nor_remembered():
    memory = Memory(Deferred())
    before = memory.service.answer
    memory.ask()
    memory.clock.advance(1)
    memory.remembered.doubt()
    memory.service.answer = Refused()
    assert memory.ask() == Refused()
    before.callback(KIM)
    assert memory.ask() == Refused()
