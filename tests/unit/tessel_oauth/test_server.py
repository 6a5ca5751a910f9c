"""Start, life and stop of the process, with a reactor that keeps no time of its own."""

import io

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import globalLogPublisher

from tessel_oauth.config import Config, LogFormat, LogLevel
from tessel_oauth.errors import StoreError
from tessel_oauth.logs import Lines
from tessel_oauth.server import Process, Server


@pytest.fixture
def log():
    stream = io.StringIO()
    lines = Lines(stream, LogLevel.INFO, LogFormat.TEXT)
    globalLogPublisher.addObserver(lines)
    yield stream
    globalLogPublisher.removeObserver(lines)


class FakeReactor:
    """Starts what was to be started, and shuts down at once."""

    stops = 0

    def callWhenRunning(self, start):
        self._start = start

    def addSystemEventTrigger(self, phase, event, trigger):
        assert (phase, event) == ("before", "shutdown")
        self._trigger = trigger

    def run(self):
        self._start()
        self._trigger()

    def stop(self):
        self.stops += 1


class FakeServer:
    """Starts as it is told to."""

    def __init__(self, outcome):
        self._outcome = outcome
        self.stopped = False

    async def start(self):
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return await self._outcome

    async def stop(self):
        self.stopped = True


def run(outcome):
    reactor, server = FakeReactor(), FakeServer(outcome)
    exit_code = Process(server, reactor).run()
    return exit_code, reactor.stops, server.stopped


def test_a_process_that_is_told_to_stop_ends_well():
    started = Deferred()
    started.callback(None)

    assert run(started) == (0, 0, True)


def test_a_process_may_be_stopped_while_it_starts(log):
    assert run(Deferred()) == (0, 0, True)
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    "why", [StoreError("no disk"), CannotListenError("127.0.0.1", 3002, OSError("in use"))]
)
def test_a_process_that_cannot_start_says_why_in_one_line(log, why):
    assert run(why) == (1, 1, True)
    assert log.getvalue().endswith(f" critical start_failed cannot start: {why}\n")


def test_a_fault_of_ours_at_the_start_is_logged_whole(log, logged_failures):
    assert run(ZeroDivisionError()) == (1, 1, True)
    assert "Traceback" in log.getvalue()
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


@pytest_twisted.ensureDeferred
async def test_a_server_shows_the_key_then_listens_then_stops(log):
    shown = []
    server = Server(Config(port=0), reactor, bytes, lambda *words: shown.append(words))

    await server.start()
    port = server._port.getHost().port
    await server.stop()

    assert shown == [("tessel-dev", "00" * 16)]
    listening, stopped = log.getvalue().splitlines()
    assert listening.endswith(f" info listening listening on 127.0.0.1 port {port}")
    assert stopped.endswith(" info stopped stopped")


@pytest_twisted.ensureDeferred
async def test_two_servers_cannot_have_one_port(log):
    settings = {"seed_api_key": "K"}
    first = Server(Config(port=0, **settings), reactor, bytes, None)
    await first.start()
    second = Server(Config(port=first._port.getHost().port, **settings), reactor, bytes, None)

    with pytest.raises(CannotListenError):
        await second.start()

    await second.stop()
    await first.stop()
