"""Two tunnels over a connection in memory, which pauses, closes and breaks as TCP does."""

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableProtocol, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from streamplex import Side
from streamplex.tx import ISubstreamProtocol, ITakesViews, ITunnelListener, TunnelProtocol

SEND_BUFFER_BYTES = 64 * 1024


def hand_on(protocol, data):
    """Deliver bytes as a transport does. A protocol that takes views gets one that is overwritten
    after the call, so that tests notice a view that was kept.
    """
    if not ITakesViews.providedBy(protocol):
        protocol.dataReceived(data)
        return
    room = bytearray(data)
    protocol.dataReceived(memoryview(room))
    room[:] = b"?" * len(room)


class MemoryTransport(StringTransport):
    """One end of a connection in memory. Unlike iosim's, it can pause and abort."""

    offset = _tempDataLen = 0  # with `dataBuffer`, what Twisted's TCP keeps

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.reading = self.connected = True
        self.producer_paused = self.waits_for_producer = False
        self.sent = bytearray()
        self.no_delay = None
        self.aborted = False

    def setTcpNoDelay(self, enabled):
        self.no_delay = enabled

    def write(self, data):
        if self.connected and not self.disconnecting:
            self.sent += data
            if self.producer and not self.producer_paused and len(self.sent) > SEND_BUFFER_BYTES:
                self.producer_paused = True
                self.producer.pauseProducing()

    @property
    def dataBuffer(self):
        return bytes(self.sent)

    @property
    def is_done(self):
        return not self.sent and not self.waits_for_producer

    def left(self):
        """Report that all written bytes were sent."""
        self.sent.clear()
        if self.producer and self.producer_paused:
            self.producer_paused = False
            self.waits_for_producer = self.disconnecting  # as a close of TCP does
            self.producer.resumeProducing()

    def unregisterProducer(self):
        super().unregisterProducer()
        self.producer_paused = self.waits_for_producer = False

    def pauseProducing(self):
        self.reading = False

    def resumeProducing(self):
        self.reading = True

    def abortConnection(self):
        self.aborted = self.disconnecting = True
        self.waits_for_producer = False
        self.sent.clear()

    def lose(self, reason):
        if self.connected:
            self.connected = False
            if self.producer:
                self.producer.stopProducing()
            self.protocol.connectionLost(Failure(reason))


class Connection:
    """Two connected protocols. `pump` transfers bytes until none are left."""

    def __init__(self, one, other, clock):
        self.clock = clock
        self.ends = (MemoryTransport(one), MemoryTransport(other))
        for end in self.ends:
            directlyProvides(end, ITCPTransport)
            end.protocol.makeConnection(end)
        self.pump()

    def pump(self):
        self.clock.advance(0)
        while self._carry(*self.ends) | self._carry(*reversed(self.ends)):
            self.clock.advance(0)

    def _carry(self, sender, receiver):
        if sender.sent and receiver.reading and receiver.connected:
            data = bytes(sender.sent)
            sender.left()
            hand_on(receiver.protocol, data)
            return True
        if sender.disconnecting and sender.connected and sender.is_done:
            why = error.ConnectionAborted() if sender.aborted else error.ConnectionDone()
            sender.lose(why)
            receiver.lose(error.ConnectionLost() if sender.aborted else error.ConnectionDone())
            return True
        return bool(
            self.clock.getDelayedCalls()
            and self.clock.getDelayedCalls()[0].getTime() <= self.clock.seconds()
        )

    def cut(self, reason=None):
        """Break the network: both ends lose the connection."""
        for end in self.ends:
            end.lose(reason or error.ConnectionLost())


@implementer(ITunnelListener)
class Listener:
    """Records the calls of the tunnel; `on_open` is called with each new substream."""

    def __init__(self, on_open=lambda substream: None):
        self.calls = []
        self.opened = []
        self.messages = []
        self.lost = None
        self.on_open = on_open

    def tunnelMade(self, tunnel):
        self.tunnel = tunnel
        self.calls.append("made")

    def tunnelSecured(self):
        self.calls.append("secured")

    def messageReceived(self, value):
        self.calls.append("message")
        self.messages.append(value)

    def substreamOpened(self, substream):
        self.calls.append("opened")
        self.opened.append(substream)
        self.on_open(substream)

    def goAwayReceived(self, after_ms):
        self.calls.append(f"go away after {after_ms}")

    def tunnelLost(self, reason):
        self.calls.append("lost")
        self.lost = reason


class Plain(Protocol):
    """A Twisted protocol that records its calls."""

    def __init__(self):
        self.calls = []
        self.data = bytearray()
        self.lost = None

    def makeConnection(self, transport):
        self.transport = transport
        self.calls.append("made")

    def dataReceived(self, data):
        self.data += data
        self.calls.append("data")

    def connectionLost(self, reason):
        assert self.lost is None, "told twice"
        self.lost = reason
        self.calls.append("lost")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Plain):
    """A RecordingProtocol that handles half-closed connections."""

    def readConnectionLost(self):
        self.calls.append("read lost")

    def writeConnectionLost(self):
        self.calls.append("write lost")


@implementer(ISubstreamProtocol)
class Aware(HalfCloseable):
    """A protocol that also has the methods for substreams."""

    def __init__(self):
        super().__init__()
        self.events = []

    def customReceived(self, name, args):
        self.calls.append(name)
        self.events.append((name, *args))

    def errorReceived(self, message):
        self.calls.append("error")
        self.events.append(("error", message))

    def resetReceived(self):
        self.calls.append("reset")


class Tunnels:
    """The connected tunnels of a device and a server; `serve` makes the server's protocols."""

    def __init__(self, serve=HalfCloseable, **limits):
        self.clock = Clock()
        self.served = []
        self.near = Listener()
        self.far = Listener(lambda substream: self._serve(serve, substream))
        self.device = TunnelProtocol(Side.B, self.near, self.clock, **limits)
        self.server = TunnelProtocol(Side.A, self.far, self.clock, **limits)
        self.connection = Connection(self.device, self.server, self.clock)
        self.device_end, self.server_end = self.connection.ends
        self.pump = self.connection.pump

    def _serve(self, serve, substream):
        protocol = serve()
        self.served.append(protocol)
        if protocol is not None:
            substream.attach(protocol)

    def open(self, protocol, name="net"):
        """Open a substream from the device; return the protocols of both ends."""
        substream = self.device.open(name)
        substream.attach(protocol)
        self.pump()
        return protocol, self.served[-1]
