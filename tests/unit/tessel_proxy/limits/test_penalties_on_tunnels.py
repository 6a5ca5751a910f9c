"""Penalties as devices meet them."""

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from support.proxy_in_memory import TOKEN, LoggedEvents, Stage
from support.proxy_on_sockets import accepted, connected
from tessel_proxy.auth import Account, AuthUnavailableError, HardcodedAuthenticator, Refused
from tessel_proxy.auth.checking import first_check
from tessel_proxy.limits.penalties import Penalty, PenaltyError


class Asked(HardcodedAuthenticator):
    """Counts."""

    def __init__(self):
        super().__init__(TOKEN)
        self.tokens = []

    def check(self, token):
        self.tokens.append(token)
        return super().check(token)


def test_a_token_that_stays_wrong_is_not_asked_about_each_time():
    asked = Asked()
    stage = Stage(asked)
    with LoggedEvents() as logged:
        for _ in range(5):
            stage.say({"token": "old", "features": ["retry/1"]})
    assert asked.tokens == ["old"] * 3
    assert [each["retry"] for each in stage.heard] == [False] * 5
    assert [each["error"] for each in logged.named("tunnel_refused")] == ["TP2005"] * 3 + [
        "TP2017"
    ] * 2


def test_the_right_token_does_not_wait_for_the_wrong_one():
    stage = Stage()
    for _ in range(4):
        stage.say({"token": "old"})
    stage.authenticate()
    assert stage.heard[-1]["authed"] is True


def test_what_is_no_token_costs_only_its_own_tunnel():
    stage = Stage(max_wrong_tokens=1)
    stage.say({"token": 5})
    stage.authenticate()
    assert stage.heard[-1]["authed"] is True


class Slow:
    """Answers when the test calls it."""

    def __init__(self):
        self.asked = []

    def check(self, _token):
        self.asked.append(Deferred())
        return self.asked[-1]


def fails(deferred):
    got = []
    deferred.addErrback(lambda failure: got.append(failure.value))
    return got


def test_guesses_that_come_all_at_once_are_asked_about_up_to_the_allowance():
    slow = Slow()
    shared = Stage(slow, max_wrong_tokens=3).shared
    checks = [first_check(shared, f"guess {number}", "here") for number in range(256)]
    assert len(slow.asked) == 3
    (late,) = fails(checks[-1])
    assert isinstance(late, PenaltyError)
    assert late.penalty is Penalty.OF_SOURCE
    for each in checks[3:-1]:
        fails(each)


@pytest.mark.parametrize(
    "end",
    [
        lambda check, slow: slow.asked[0].callback(Account("kim")),
        lambda check, slow: slow.asked[0].errback(AuthUnavailableError("down")),
        lambda check, slow: check.cancel(),
    ],
    ids=["right", "unavailable", "cancelled"],
)
def test_a_check_that_does_not_find_a_token_wrong_costs_its_source_nothing(end):
    slow = Slow()
    shared = Stage(slow, max_wrong_tokens=1).shared
    check = first_check(shared, "one", "here")
    fails(check)
    end(check, slow)
    first_check(shared, "another", "here")
    assert len(slow.asked) == 2


def test_a_check_that_finds_it_wrong_does():
    slow = Slow()
    shared = Stage(slow, max_wrong_tokens=1).shared
    first_check(shared, "one", "here")
    slow.asked[0].callback(Refused())
    assert fails(first_check(shared, "another", "here"))


@pytest_twisted.ensureDeferred
async def test_a_guesser_is_not_answered_and_its_neighbour_is(make_proxy, authority, logged):
    proxy = make_proxy(max_wrong_tokens=1)
    neighbour, _ = await accepted(proxy, authority)
    guesser = await connected(proxy, authority)
    guesser.tunnel.message({"token": "guess"})
    await guesser.answered
    again = await connected(proxy, authority)
    again.tunnel.message({"token": "another", "features": ["retry/1"]})
    assert (await again.answered)["retry"] is True
    assert logged.named("tunnel_refused")[-1]["error"] == "TP2018"
    back, answer = await accepted(proxy, authority)
    assert answer == {"authed": True}
    for device in (neighbour, guesser, again, back):
        device.tunnel.loseConnection()
        await device.gone
