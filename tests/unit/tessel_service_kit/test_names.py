"""Look-ups with the system's resolver, and additional queries by family."""

import errno
import socket
from socket import AF_INET, AF_INET6, AF_UNSPEC

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tessel_service_kit import family_order, names
from tessel_service_kit.names import (
    HEDGE_S,
    HELPER_THREADS,
    RESOLUTION_DELAY_S,
    Early,
    NoAnswerError,
    SystemNames,
    addresses_of,
)

FOUR, SIX = ("192.0.2.1", "192.0.2.2"), ("2001:4860::1",)


class System:
    """The system's resolver: answers when a test says so."""

    def __init__(self, monkeypatch):
        self.clock = Clock()
        self.asked = []
        self.waiting = {}
        monkeypatch.setattr(names, "deferToThreadPool", self._defer)
        monkeypatch.setattr(family_order, "source_for", lambda address: self.source)
        self.source = "2001:4860::99"
        self.names = SystemNames(self.clock, None, None, None)

    def _defer(self, _reactor, _pool, _ask, name, family):
        self.asked.append(family)
        answer = Deferred()
        self.waiting.setdefault((name, family), []).append(answer)
        return answer

    def look_up(self, name="example.com"):
        results = []
        self.names(name).addBoth(results.append)
        return results

    def answers(self, family, addresses, name="example.com"):
        self.waiting[name, family].pop(0).callback(addresses)

    def cannot_say(self, family, name="example.com"):
        self.waiting[name, family].pop(0).errback(NoAnswerError("nobody says"))

    def waits(self, seconds=HEDGE_S):
        self.clock.advance(seconds)


@pytest.fixture
def system(monkeypatch):
    return System(monkeypatch)


def is_unanswered(result):
    return isinstance(result, Failure) and result.check(NoAnswerError) is not None


def test_an_answer_in_time_is_used_without_further_queries(system):
    found = system.look_up()
    system.answers(AF_UNSPEC, FOUR + SIX)
    assert found == [FOUR + SIX]
    system.waits()
    assert system.asked == [AF_UNSPEC]
    assert not system.clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("family", "addresses"), [(AF_INET, FOUR), (AF_INET6, SIX)], ids=["IPv4", "IPv6"]
)
def test_a_family_without_an_answer_costs_only_the_delays(system, family, addresses):
    found = system.look_up()
    system.waits(HEDGE_S - 0.01)
    assert system.asked == [AF_UNSPEC]
    system.waits(0.01)
    assert set(system.asked) == {AF_UNSPEC, AF_INET, AF_INET6}
    system.answers(family, addresses)
    system.waits(RESOLUTION_DELAY_S - 0.01)
    assert not found
    system.waits(0.01)
    assert found[0].addresses == addresses


def test_both_families_within_the_delay_are_both_used(system):
    found = system.look_up()
    system.waits()
    system.answers(AF_INET, FOUR)
    system.answers(AF_INET6, SIX)
    assert found[0].addresses == SIX + FOUR


def test_an_unreachable_ipv6_address_does_not_suffice_and_is_last(system):
    system.source = None
    found = system.look_up()
    system.waits()
    system.answers(AF_INET6, SIX)
    system.waits(60)
    assert not found
    system.answers(AF_INET, FOUR)
    assert found[0].addresses == FOUR + SIX


def test_the_systems_own_answer_is_the_best_while_there_is_time(system):
    found = system.look_up()
    system.waits()
    system.answers(AF_INET, FOUR)
    system.answers(AF_UNSPEC, SIX + FOUR)
    assert found == [SIX + FOUR]
    assert not system.clock.getDelayedCalls()
    system.answers(AF_INET6, SIX)
    assert not system.clock.getDelayedCalls()


def test_an_early_answer_reports_when_the_system_is_done(system):
    found = system.look_up()
    system.waits()
    system.answers(AF_INET, FOUR)
    system.waits()
    assert isinstance(found[0], Early)
    assert not found[0].over.called
    system.answers(AF_UNSPEC, FOUR)
    assert found[0].over.called


def test_for_a_stuck_name_each_family_is_asked_at_once_and_only_once(system):
    system.look_up()
    system.waits()
    system.answers(AF_INET, FOUR)
    system.waits()
    again = system.look_up()
    assert system.asked.count(AF_UNSPEC) == 1
    assert system.asked.count(AF_INET6) == 1  # it is under way
    system.answers(AF_INET, FOUR)
    system.waits(RESOLUTION_DELAY_S)
    assert again == [FOUR]
    system.answers(AF_UNSPEC, FOUR)
    system.look_up()
    assert system.asked.count(AF_UNSPEC) == 2


# --- what is there, what is not, and what nobody can say

NONE, UNKNOWN = (), None


def say(system, family, outcome):
    if outcome is UNKNOWN:
        system.cannot_say(family)
    else:
        system.answers(family, outcome)


@pytest.mark.parametrize("whole", [NONE, UNKNOWN])
@pytest.mark.parametrize("ipv4", [FOUR, NONE, UNKNOWN])
@pytest.mark.parametrize("ipv6", [SIX, NONE, UNKNOWN])
def test_each_family_is_asked_if_the_system_finds_nothing(system, whole, ipv4, ipv6):
    found = system.look_up()
    say(system, AF_UNSPEC, whole)
    assert set(system.asked) == {AF_UNSPEC, AF_INET, AF_INET6}
    say(system, AF_INET, ipv4)
    say(system, AF_INET6, ipv6)
    expected = (ipv6 or ()) + (ipv4 or ())
    if expected or UNKNOWN not in (ipv4, ipv6):
        assert found == [expected]
    else:
        assert is_unanswered(found[0])
    assert not system.clock.getDelayedCalls()


@pytest.mark.parametrize("whole", [NONE, UNKNOWN])
@pytest.mark.parametrize("ipv4", [FOUR, NONE, UNKNOWN])
@pytest.mark.parametrize("ipv6", [SIX, NONE, UNKNOWN])
@pytest.mark.parametrize("whole_first", [True, False])
def test_after_the_delay_the_answers_of_the_families_decide(system, whole, ipv4, ipv6, whole_first):
    found = system.look_up()
    system.waits()
    if whole_first:
        say(system, AF_UNSPEC, whole)
        assert not found
    say(system, AF_INET, ipv4)
    say(system, AF_INET6, ipv6)
    (result,) = found
    expected = (ipv6 or ()) + (ipv4 or ())
    if expected:
        assert getattr(result, "addresses", result) == expected
    elif UNKNOWN in (ipv4, ipv6):
        assert is_unanswered(result)
    else:
        assert getattr(result, "addresses", result) == ()
    if not whole_first:
        say(system, AF_UNSPEC, whole)
    assert not system.clock.getDelayedCalls()


@pytest.mark.parametrize("outcome", [FOUR, NONE, UNKNOWN])
def test_without_free_helpers_the_systems_answer_is_used(system, monkeypatch, outcome):
    monkeypatch.setattr(names, "HELPER_THREADS", 1)
    found = system.look_up()
    system.waits(10)
    assert system.asked == [AF_UNSPEC]
    say(system, AF_UNSPEC, outcome)
    assert is_unanswered(found[0]) if outcome is UNKNOWN else found == [outcome]


def test_the_number_of_helpers_is_limited(system):
    for number in range(HELPER_THREADS):
        system.look_up(f"name{number}")
    system.waits()
    assert len([family for family in system.asked if family != AF_UNSPEC]) == HELPER_THREADS


def test_a_name_that_never_exists_is_asked_about_once(system):
    found = system.look_up("nobody.invalid")
    system.answers(AF_UNSPEC, (), "nobody.invalid")
    assert found == [()]
    assert system.asked == [AF_UNSPEC]


# --- one question to the system


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY])
def test_a_name_that_is_not_there_has_no_addresses(monkeypatch, number):
    raising(monkeypatch, socket.gaierror(number, "not there"))
    assert addresses_of("example.com", AF_INET) == ()


@pytest.mark.parametrize(
    "fault",
    [
        socket.gaierror(socket.EAI_AGAIN, "SERVFAIL, or no answer"),
        socket.gaierror(socket.EAI_FAIL, "REFUSED, FORMERR"),
        socket.gaierror(socket.EAI_MEMORY, "memory"),
        OSError(errno.EMFILE, "EAI_SYSTEM"),
    ],
)
def test_every_other_error_is_a_failed_look_up(monkeypatch, fault):
    raising(monkeypatch, fault)
    with pytest.raises(NoAnswerError):
        addresses_of("example.com", AF_INET)
    assert addresses_of("nobody.INVALID.", AF_INET) == ()


def test_an_invalid_name_has_no_addresses(monkeypatch):
    raising(monkeypatch, UnicodeError("label too long"))
    assert addresses_of("x" * 70, AF_INET) == ()


def raising(monkeypatch, fault):
    def getaddrinfo(*_args):
        raise fault

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_this_machines_own_name_is_found_each_address_once():
    found = addresses_of("localhost", AF_INET)
    assert found == ("127.0.0.1",)
