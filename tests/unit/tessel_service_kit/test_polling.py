"""The reactor's events reach readers and writers; a failure of one harms no other."""

import select
import socket

import pytest
from twisted.internet import error

from tessel_service_kit.polling import LeanEPollReactor

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")


class Reader:
    """A descriptor that records what the reactor calls."""

    def __init__(self, made, found=None):
        self.socket = made
        self.calls = []
        self._found = found

    def fileno(self):
        return self.socket.fileno()

    def logPrefix(self):
        return "a test"

    def doRead(self):
        self.calls.append("read")
        if isinstance(self._found, Exception) and not isinstance(self._found, error.ConnectionDone):
            raise self._found
        return self._found

    def doWrite(self):
        self.calls.append("write")

    def connectionLost(self, reason):
        self.calls.append(reason.type)


@pytest.fixture
def reactor():
    made = LeanEPollReactor()
    yield made
    made._poller.close()


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def readable(reactor, pair, found=None):
    one, other = pair
    reader = Reader(one, found)
    reactor.addReader(reader)
    other.send(b"x")
    return reader


def test_a_readable_descriptor_is_read(reactor, pair):
    reader = readable(reactor, pair)
    reactor.doIteration(0)
    assert reader.calls == ["read"]


def test_a_writable_descriptor_is_written(reactor, pair):
    writer = Reader(pair[0])
    reactor.addWriter(writer)
    reactor.doIteration(0)
    assert writer.calls == ["write"]


def test_a_reader_that_reports_the_end_is_lost_and_polled_no_more(reactor, pair):
    reader = readable(reactor, pair, error.ConnectionDone())
    reactor.doIteration(0)
    assert reader.calls == ["read", error.ConnectionDone]
    assert reader not in reactor.getReaders()


def test_a_reader_that_raises_is_logged_and_lost(reactor, pair, logged_failures):
    reader = readable(reactor, pair, ValueError("broken"))
    reactor.doIteration(0)
    assert reader.calls[0] == "read"
    assert reader not in reactor.getReaders()
    assert len(logged_failures.flush(ValueError)) == 1


def test_an_event_of_a_descriptor_that_was_closed_before_is_ignored(reactor, pair):
    reader = readable(reactor, pair)
    del reactor._selectables[reader.fileno()]
    reactor._selectables[-1] = None  # so that the poll takes an event
    reactor.doIteration(0)
    assert reader.calls == []


def test_a_handler_that_fails_at_the_end_of_a_connection_does_not_end_the_reactor(
    reactor, pair, logged_failures
):
    reader = readable(reactor, pair, error.ConnectionDone())
    reader.connectionLost = lambda _reason: 1 / 0
    reactor.doIteration(0)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_an_event_that_a_handler_cannot_take_does_not_end_the_reactor(
    reactor, pair, logged_failures
):
    writer = Reader(pair[0])
    writer.doWrite = error.ConnectionLost
    writer.connectionLost = lambda _reason: 1 / 0
    reactor.addWriter(writer)
    reactor.doIteration(0)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


@pytest.mark.parametrize("both", [True, False])
def test_a_descriptor_that_is_removed_is_polled_no_more(reactor, pair, both):
    reader = readable(reactor, pair)
    if both:
        reactor.addWriter(reader)
    for _ in range(2):  # a second time does nothing
        reactor.removeReader(reader)
    reactor.doIteration(0)
    assert reader.calls == ["write"] * both
    reactor.removeWriter(reader)
    reactor.doIteration(0)
    assert reader.calls == ["write"] * both
    assert reader not in reactor._selectables.values()


def test_a_descriptor_that_is_closed_is_still_found_and_removed(reactor, pair):
    reader = readable(reactor, pair)
    reactor._poller.unregister(reader.fileno())
    reactor._poller.close()  # as the kernel forgets it
    reactor._poller = select.epoll()
    reactor._poller.register(reader.fileno(), select.EPOLLIN)
    reader.fileno = lambda: -1
    reactor.removeReader(reader)
    assert reader not in reactor._selectables.values()


# --- turns


def turns(reactor, *calls):
    """Run the reactor with these calls in its first turn, until it stops."""
    for call in calls:
        reactor.callWhenRunning(call)
    reactor.callLater(20, reactor.stop)  # for a test that fails
    reactor.run(installSignalHandlers=False)


def test_calls_at_the_end_of_a_turn_are_made_behind_its_events_in_their_order(reactor, pair):
    made = []
    reader = readable(reactor, pair)

    def read():
        reactor.removeReader(reader)
        reactor.call_at_turn_end(lambda: made.append("first"))
        reactor.call_at_turn_end(reactor.stop)
        made.append("read")

    reader.doRead = read
    turns(reactor)
    assert made == ["read", "first"]


def test_a_call_that_is_added_at_the_end_of_a_turn_is_made_in_the_next_without_a_wait(reactor):
    again = lambda: reactor.call_at_turn_end(reactor.stop)  # noqa: E731
    began = reactor.seconds()
    turns(reactor, lambda: reactor.call_at_turn_end(again))
    assert reactor.seconds() - began < 10


def test_a_timer_that_is_made_at_the_end_of_a_turn_is_not_overslept(reactor):
    began = reactor.seconds()
    turns(reactor, lambda: reactor.call_at_turn_end(lambda: reactor.callLater(0.01, reactor.stop)))
    assert 0.01 <= reactor.seconds() - began < 10


def test_without_timers_there_is_no_limit_to_a_wait(reactor):
    assert reactor.timeout() is None


def test_a_timer_may_be_due_later_than_epoll_can_wait(reactor):
    reactor.callLater(1e9, reactor.stop)
    assert reactor.timeout() == 2_147_483


def test_a_call_from_a_thread_ends_a_wait(reactor):
    turns(reactor, lambda: reactor.callInThread(reactor.callFromThread, reactor.stop))


def test_a_call_at_the_end_of_a_turn_that_fails_is_logged_and_keeps_no_other_from_its(
    reactor, logged_failures
):
    reactor.call_at_turn_end(lambda: 1 / 0)
    reactor.call_at_turn_end(reactor.stop)
    turns(reactor)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_an_error_of_a_turn_itself_ends_no_other_turn(reactor, monkeypatch, logged_failures):
    poll, polls = reactor.doIteration, []

    def fail_once(timeout):
        polls.append(timeout)
        if len(polls) == 1:
            raise OSError("no poll")
        poll(timeout)

    monkeypatch.setattr(reactor, "doIteration", fail_once)
    reactor.callLater(0.01, reactor.stop)
    turns(reactor)
    assert len(polls) > 1
    assert len(logged_failures.flush(OSError)) == 1


class Replaces(Reader):
    """A reader that closes another descriptor; a connection that opens then has its number."""

    def __init__(self, made, reactor, old, register):
        super().__init__(made)
        self._reactor, self._old, self._register = reactor, old, register
        self._number = old.fileno()
        self.new, self.peer = [], None

    def doRead(self):
        self.socket.recv(1)
        self._reactor.removeReader(self._old)
        self._reactor.removeWriter(self._old)
        self._old.socket.close()
        made, self.peer = socket.socketpair()
        self.new = Reader(made)
        assert self.new.fileno() == self._number  # the lowest that is free
        self._register(self.new)

    def close(self):
        self.new.socket.close()
        self.peer.close()


def test_an_end_reported_of_a_closed_descriptor_is_not_that_of_its_successor(reactor, pair):
    ended, its_peer = socket.socketpair()
    replaces = Replaces(pair[0], reactor, Reader(ended), reactor.addReader)
    reactor.addReader(replaces)
    pair[1].send(b"x")  # before the other is ready: the poll reports them in this order
    reactor.addWriter(replaces._old)
    its_peer.close()
    reactor.doIteration(0)
    assert replaces.new.calls == []
    replaces.close()


def test_data_of_a_closed_descriptor_is_not_read_from_a_successor_that_connects(reactor, pair):
    closed, its_peer = socket.socketpair()
    replaces = Replaces(pair[0], reactor, Reader(closed), reactor.addWriter)
    reactor.addReader(replaces)
    reactor.addReader(replaces._old)
    with its_peer:
        pair[1].send(b"x")
        its_peer.send(b"x")
        reactor.doIteration(0)
    assert replaces.new.calls in ([], ["write"])
    replaces.close()
