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
