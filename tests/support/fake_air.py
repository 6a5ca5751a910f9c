"""A fake network for the emulated chip; the test controls the peers of its connections."""

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tessel.cc3000.hci.codes import Security
from tessel.emulator.air import AccessPoint, Air


class FakeTcp(StringTransport):
    """A transport that writes and closes one turn of the reactor later, as Twisted's TCP."""

    def __init__(self, reactor, peer="192.0.2.7", port=4711):
        super().__init__(peerAddress=IPv4Address("TCP", peer, port))
        self._reactor = reactor
        self.no_delay = None
        self.taken = b""  # bytes that the peer received
        self.stuck = False  # the peer does not read
        self.lost = False
        self.aborted = False

    def setTcpNoDelay(self, enabled):
        self.no_delay = bool(enabled)

    def write(self, data):
        super().write(data)
        self._reactor.callLater(0, self.flush)

    def flush(self):
        if self.stuck or self.lost or not self.value():
            return
        self.taken += self.value()
        self.clear()
        if self.producer is not None and not self.streaming:
            self.producer.resumeProducing()
        elif self.disconnecting:
            self._lose(ConnectionDone())

    def loseConnection(self):
        super().loseConnection()
        if not self.value():
            self._reactor.callLater(0, self._lose, ConnectionDone())

    def abortConnection(self):
        self.aborted = True
        self._reactor.callLater(0, self._lose, ConnectionLost())

    # The peer.

    def finish(self):
        self.protocol.readConnectionLost()

    def reset(self):
        self._lose(ConnectionLost())

    def _lose(self, reason):
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(Failure(reason))


class FakePort:
    def __init__(self, number, factory):
        self.number = number
        self.factory = factory
        self.paused = False
        self.stopped = False

    def pauseProducing(self):
        self.paused = True

    def resumeProducing(self):
        self.paused = False

    def stopListening(self):
        self.stopped = True
        return succeed(None)


class FakeUdp(FakePort):
    """A bound port that is also the transport of its protocol."""

    def __init__(self, number, protocol):
        super().__init__(number, protocol)
        self.written = []
        self.fault = None

    def setBroadcastAllowed(self, enabled):
        self.broadcast = enabled

    def write(self, datagram, addr):
        if self.fault is not None:
            raise self.fault
        self.written.append((datagram, addr))


class FakeMachine(MemoryReactorClock):
    def __init__(self):
        super().__init__()
        self.ports = []
        self.udp_ports = []
        self.taken_ports = set()

    def listenTCP(self, port, factory, backlog=50, interface=""):
        self._check(port, interface)
        self.ports.append(FakePort(port, factory))
        return self.ports[-1]

    def listenUDP(self, port, protocol, interface="", maxPacketSize=8192):
        self._check(port, interface)
        udp = FakeUdp(port, protocol)
        self.udp_ports.append(udp)
        protocol.makeConnection(udp)
        return udp

    def _check(self, port, interface):
        if port in self.taken_ports:
            raise CannotListenError(interface, port, OSError("in use"))

    # Peers.

    def answer_dial(self, number=-1):
        """The peer accepts the connection."""
        return self._joined(self.tcpClients[number][2])

    def refuse_dial(self, reason, number=-1):
        self.tcpClients[number][2].clientConnectionFailed(None, Failure(reason))

    def call(self, port=-1, peer="192.0.2.9", peer_port=5000):
        """A peer connects to a port of the chip."""
        return self._joined(self.ports[port].factory, peer, peer_port)

    def _joined(self, factory, *peer):
        transport = FakeTcp(self, *peer)
        protocol = factory.buildProtocol(transport.getPeer())
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport


HOME = AccessPoint(ssid=b"tesselnet", security=Security.WPA2, key=b"password")


class FakeAir(Air):
    """A network whose names are in `names`; names in `silent` get no answer before `answer`."""

    def __init__(self, *access_points):
        self.machine = FakeMachine()
        self.names = {}
        self.silent = set()
        self._unanswered = {}
        super().__init__(self.machine, self._look_up)
        for access_point in access_points:
            self.appear(access_point)

    def answer(self, name, addresses):
        self._unanswered.pop(name).callback(addresses)

    def _look_up(self, name):
        found = Deferred()
        if name in self.silent:
            self._unanswered[name] = found
            return found
        if name in self.names:
            found.callback(self.names[name])
        else:
            found.errback(LookupError(name))
        return found
