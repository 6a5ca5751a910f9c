"""A fake board for tests of `tessel.node`: its network consists of transports in memory."""

from contextlib import contextmanager
from dataclasses import dataclass, field

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.addresses import is_ip
from tessel.network.interface import INetwork
from tessel.node.base import runtime
from tessel.node.base.handles import Handles
from tessel.node.base.runtime import Runtime

TURNS = 20  # of the clock: the effects of a callback may take several ticks


class Wire(StringTransport):
    """A transport that records written bytes and reports its end to the protocol."""

    def __init__(self):
        super().__init__()
        self.protocol = None
        self.lost = self.aborted = self.half_closed = False

    def loseConnection(self):
        self.lose(ConnectionDone())

    def abortConnection(self):
        self.aborted = True
        self.lose(ConnectionLost())

    def loseWriteConnection(self):
        self.half_closed = True

    def unregisterProducer(self):
        self.producer = None  # unlike StringTransport, TCP allows to unregister twice

    def setTcpNoDelay(self, enabled):
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled):
        self.keep_alive = enabled

    def lose(self, reason):
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(Failure(reason))


@dataclass(eq=False)
class Attempt:
    """A connection that a program opened, and its far end."""

    board: "Board"
    target: object
    factory: object
    proxy: bool
    tls: object = None
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self):
        self.cancelled = False
        self.answer = Deferred(self._cancel)

    def _cancel(self, _):
        self.cancelled = True

    def stand(self):
        protocol = self.wire.protocol = self.factory()
        protocol.makeConnection(self.wire)
        self.answer.callback(protocol)
        self.board.run()
        return self

    def fail(self, error):
        self.answer.errback(Failure(error))
        self.board.run()

    def send(self, data):
        self.wire.protocol.dataReceived(data)
        self.board.run()

    def end(self):
        self.wire.protocol.readConnectionLost()
        self.board.run()

    def lose(self, reason=None):
        self.wire.lose(ConnectionDone() if reason is None else reason)
        self.board.run()

    def take(self):
        """Return the bytes written since the last call."""
        self.board.run()
        written = self.wire.value()
        self.wire.clear()
        return written


@implementer(INetwork)
class FakeNetwork:
    def __init__(self, board):
        self._board = board
        self.attempts = []
        self.listening = None
        self.bindings = []
        self.names = {}
        self.up = succeed(None)

    def ready(self):
        return self.up

    def connect(self, target, factory, *, proxy=True, encrypted=False, watcher=None):
        return self._attempt(Attempt(self._board, target, factory, proxy))

    def connect_tls(self, target, factory, tls, *, proxy=True, watcher=None):
        return self._attempt(Attempt(self._board, target, factory, proxy, tls))

    def lookup(self, name, family=0):
        if is_ip(name):
            return succeed([name])
        return self.names[name]

    def bind_udp(self, port, protocol, *, host=""):
        self.bindings.append(Binding(port, protocol, host))
        return self.bindings[-1].answer

    def listen(self, port, factory, *, host="", backlog=511):
        self.listening = Listening(factory)
        return succeed(self.listening)

    def _attempt(self, attempt):
        self.attempts.append(attempt)
        return attempt.answer


class Binding:
    """A UDP port that a program opened, and its transport when it is bound."""

    def __init__(self, port, protocol, host):
        self.port, self.protocol, self.host = port, protocol, host
        self.stopped = self.broadcast = False
        self.sent = []
        self.fault = None
        self.answer = Deferred()

    def bind(self):
        self.protocol.makeConnection(self)
        self.answer.callback(self)

    def getHost(self):
        return IPv4Address("UDP", self.host or "0.0.0.0", self.port or 50_000)

    def write(self, data, to):
        if self.fault is not None:
            raise self.fault
        self.sent.append((data, to))

    def setBroadcastAllowed(self, enabled):
        self.broadcast = enabled

    def stop(self):
        self.stopped = True
        return succeed(None)


class Listening:
    def __init__(self, factory):
        self.factory = factory
        self.stopped = False

    def getHost(self):
        return StringTransport().getHost()

    def stop(self):
        self.stopped = True
        return succeed(None)


class Board:
    def __init__(self, wifi=None):
        self.clock = Clock()
        self.network = FakeNetwork(self)
        self.handles = Handles()
        self.uncaught = []
        self.runtime = Runtime(
            self.clock,
            self.network,
            self.handles,
            self.uncaught.append,
            lambda: wifi,
            wall_time=self.clock.seconds,
        )

    @property
    def attempts(self):
        return self.network.attempts

    def run(self):
        """Run everything that is due now."""
        for _ in range(TURNS):
            self.clock.advance(0)

    def pass_time(self, seconds):
        self.run()
        self.clock.advance(seconds)
        self.run()

    def accept(self):
        """Connect a client to the listening port."""
        attempt = Attempt(self, None, self.network.listening.factory, proxy=False)
        attempt.wire.protocol = attempt.factory()
        attempt.wire.protocol.makeConnection(attempt.wire)
        self.run()
        return attempt


@contextmanager
def powered_board(wifi=None):
    """Run a board; an exception of the program that the test did not take fails the test."""
    board = Board(wifi)
    runtime.install(board.runtime)
    try:
        yield board
        board.run()
        assert not board.uncaught, board.uncaught
    finally:
        runtime.install(None)


def record(emitter, *events):
    """Record events as tuples (name, *arguments)."""
    heard = []

    def keep(event):
        emitter.on(event, lambda *args: heard.append((event, *args)))

    for event in events:
        keep(event)
    return heard
