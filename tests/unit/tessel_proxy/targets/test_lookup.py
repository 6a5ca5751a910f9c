"""Names and their addresses."""

import socket
import threading

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed

from support.proxy_in_memory import LoggedEvents, Resolver
from tessel_proxy.targets.lookup import (
    Lookups,
    NotNowError,
    lookup_threads,
    system_resolver,
)
from tessel_proxy.targets.lookup_queue import LOOKUPS_PER_TUNNEL
from tessel_service_kit.names import Early


@pytest.fixture
def resolver():
    return Resolver()


@pytest.fixture
def lookups(resolver):
    return Lookups(resolver)


def results(deferred):
    collected = []
    deferred.addBoth(collected.append)
    return collected


def test_the_answer_is_in_the_resolvers_order_each_address_once(lookups, resolver):
    found = results(lookups.resolve("example.com", "kim", 1))
    resolver.answer("example.com", "2001:4860::1", "192.0.2.1", "2001:4860::1")
    assert found == [("2001:4860::1", "192.0.2.1")]


def test_a_name_without_addresses_has_none(lookups, resolver):
    found = results(lookups.resolve("nothing.invalid", "kim", 1))
    resolver.answer("nothing.invalid")
    assert found == [()]


def test_that_nobody_can_say_now_is_another_answer(lookups, resolver):
    found = results(lookups.resolve("example.com", "kim", 1))
    resolver.cannot_say("example.com")
    found[0].trap(NotNowError)
    assert lookups.under_way == 0


@pytest.mark.parametrize(
    "failure",
    [
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        OSError(24, "Temporary failure: EAI_SYSTEM"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_name_servers_that_cannot_be_asked_are_told_from_names_that_are_not(failure):
    def getaddrinfo(*_args):
        raise failure

    with pytest.raises(NotNowError, match="Temporary failure"):
        await _resolved(getaddrinfo)


@pytest.mark.parametrize("name", ["nobody.invalid", "NOBODY.INVALID."])
@pytest_twisted.ensureDeferred
async def test_what_never_exists_is_not_left_open_by_servers_that_cannot_ask(name):
    def getaddrinfo(*_args):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    assert await _resolved(getaddrinfo, name) == ()


def test_those_over_the_limit_wait_for_the_turn_of_another(lookups, resolver):
    for number in range(LOOKUPS_PER_TUNNEL + 1):
        results(lookups.resolve(f"name{number}", "kim", 1))
    last = f"name{LOOKUPS_PER_TUNNEL}"
    assert last not in resolver.asked
    assert lookups.under_way == LOOKUPS_PER_TUNNEL
    resolver.answer("name0", "192.0.2.1")
    assert last in resolver.asked


def test_cancelled_while_it_waits_it_is_never_asked(lookups, resolver):
    for number in range(LOOKUPS_PER_TUNNEL):
        results(lookups.resolve(f"name{number}", "kim", 1))
    waiting = lookups.resolve("never", "kim", 1)
    found = results(waiting)
    waiting.cancel()
    found[0].trap(CancelledError)
    resolver.answer("name0")
    assert "never" not in resolver.asked


def test_cancelled_while_under_way_it_keeps_its_turn_until_the_answer(lookups, resolver):
    under_way = [lookups.resolve(f"name{number}", "kim", 1) for number in range(LOOKUPS_PER_TUNNEL)]
    for each in under_way:
        results(each)
        each.cancel()
    found = results(lookups.resolve("next", "kim", 1))
    assert "next" not in resolver.asked
    resolver.answer("name0", "192.0.2.1")
    resolver.answer("next", "192.0.2.2")
    assert found == [("192.0.2.2",)]


def test_an_early_answer_is_handed_on_and_its_turn_is_kept_until_the_look_up_is_over():
    over = [Deferred() for _ in range(LOOKUPS_PER_TUNNEL)]
    early = [succeed(Early(("192.0.2.1",), each)) for each in over]
    lookups = Lookups(lambda _name: early.pop() if early else Deferred())
    for number in range(LOOKUPS_PER_TUNNEL):
        found = results(lookups.resolve(f"name{number}", "kim", 1))
        assert found == [("192.0.2.1",)]
    waiting = results(lookups.resolve("next", "kim", 1))
    assert lookups.under_way == LOOKUPS_PER_TUNNEL
    over[0].callback(None)
    assert lookups.under_way == LOOKUPS_PER_TUNNEL  # it has the turn now
    assert not waiting


@pytest_twisted.ensureDeferred
async def test_the_systems_resolver_asks_in_threads_of_its_own():
    asked_in = []

    def getaddrinfo(*_args):
        asked_in.append(threading.current_thread())
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    found = await _resolved(getaddrinfo)
    assert found == ("192.0.2.1",)
    assert asked_in[0].daemon  # a stuck one cannot keep the process


@pytest.mark.parametrize(
    "failure",
    [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")],
)
@pytest_twisted.ensureDeferred
async def test_a_name_that_is_not_there_ends_the_look_up(failure):
    def getaddrinfo(*_args):
        raise failure

    assert await _resolved(getaddrinfo) == ()


async def _resolved(getaddrinfo, name="example.com"):
    threads, helpers = lookup_threads(), lookup_threads(2)
    threads.start()
    helpers.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", getaddrinfo)
            lookups = Lookups(system_resolver(reactor, threads, helpers))
            return await lookups.resolve(name, "kim", 1)
    finally:
        threads.stop()
        helpers.stop()


class ScarceThread(threading.Thread):
    """Cannot always be started."""

    daemon = True
    there_are_none = True

    def start(self):
        if self.there_are_none:
            raise RuntimeError("can't start new thread")  # as Python says it
        super().start()


@pytest_twisted.ensureDeferred
async def test_a_look_up_without_a_thread_has_no_answer_now_and_gives_its_turn_back(
    monkeypatch,
):
    def getaddrinfo(*_args):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    threads = lookup_threads()
    threads.threadFactory = ScarceThread
    threads.start()
    lookups = Lookups(system_resolver(reactor, threads, threads))
    names = [f"name{number}" for number in range(2 * LOOKUPS_PER_TUNNEL)]
    with LoggedEvents() as logged:
        for each in [lookups.resolve(name, "kim", 1) for name in names]:
            with pytest.raises(NotNowError, match="can't start new thread"):
                await each
    assert lookups.under_way == 0
    assert {each["error"] for each in logged.named("no_thread")} == {"TP3009"}
    monkeypatch.setattr(ScarceThread, "there_are_none", False)
    assert await lookups.resolve("example.com", "kim", 1) == ("192.0.2.1",)
    threads.stop()  # which joins those that were started, and no others
