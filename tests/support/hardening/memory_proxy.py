"""A whole proxy's tunnels without sockets: pump, core, session and outbounds, over fake targets.

Thousands of hostile tunnels pass through one house, as they do in a process.
"""

from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from zope.interface import directlyProvides

from streamplex import Side
from streamplex.tx import TunnelProtocol
from tessel_proxy import nodewords
from tessel_proxy.record import TunnelRecord
from tessel_proxy.session import Session
from tessel_proxy.target import Target
from unit.streamplex.wiring import MemoryTransport
from unit.tessel_proxy.stage import Stage, TargetTransport

ALL_DEADLINES_S = 1000.0


class PeerTransport(MemoryTransport):
    """TCP to a peer that tests play octet by octet; knows no more than transports must."""

    def __init__(self, protocol):
        super().__init__(protocol)
        directlyProvides(self, ITCPTransport)

    def take(self):
        """What was sent to the peer; it has left then."""
        octets = bytes(self.sent)
        self.left()
        return octets

    @property
    def gone(self):
        """The proxy has let go of this connection."""
        return self.disconnecting or not self.connected


class EchoTransport(TargetTransport):
    """TCP to a target that sends everything back, ends when told to, and now and then resets."""

    def __init__(self, protocol, clock, *, resets):
        super().__init__(protocol, clock)
        self._resets = resets
        self._over = False

    def write(self, data):
        if not self.ended and not self._over:
            self._later(self.reset if self._resets else lambda: self.send(data))

    def loseWriteConnection(self):
        if not self.ended:
            self.ended = True
            self._later(self.end)

    def loseConnection(self):
        self._later(lambda: self.lose(ConnectionDone()))

    def abortConnection(self):
        self._later(lambda: self.lose(ConnectionDone()))

    def lose(self, reason):
        self._over = True
        super().lose(reason)

    def _later(self, call):
        self.clock.callLater(0, lambda: None if self._over else call())


@dataclass
class FakeOpener:
    """Opens a target as the random of the run has it: at once, later, never, or not at all."""

    clock: object
    random: Random
    sockets: set = field(default_factory=set)
    opened: int = 0

    def open(self, request, kind, account, tunnel, asker):
        match self.random.randrange(8):
            case 0:
                return fail(nodewords.not_found(request.host))
            case 1:
                return Deferred()  # until it is cancelled
            case 2:
                opening = Deferred()
                self.clock.callLater(0, self._open_unless_cancelled, opening, asker)
                return opening
            case chance:
                return succeed(self._open(asker, resets=chance == 3))

    def _open_unless_cancelled(self, opening, asker):
        if not opening.called:
            opening.callback(self._open(asker, resets=False))

    def _open(self, asker, *, resets):
        self.opened += 1
        target = Target(asker, self.clock, self.sockets)
        target.makeConnection(EchoTransport(target, self.clock, resets=resets))
        asker.target_connected("192.0.2.1")
        return target


class MemoryProxy:
    """One house that all tunnels of a test visit."""

    def __init__(self, seed, **config):
        # These two limits have tests of their own; here they would keep strangers from the rest.
        stage = Stage(**{"opens_per_s": 1_000_000, "max_wrong_tokens": 1_000_000, **config})
        stage.connection.cut()  # its own tunnel is not needed
        self.clock = stage.clock
        self.opener = FakeOpener(self.clock, Random(seed))
        self.house = replace(stage.house, opener=self.opener)
        self._numbers = count(1)

    def tunnel(self):
        return HostileTunnel(self)

    def turns(self, most=50):
        """All that is due now; what it starts may be due at once again."""
        for _ in range(most):
            due = self.clock.getDelayedCalls()
            if not due or due[0].getTime() > self.clock.seconds():
                return
            self.clock.advance(0)

    def pass_all_time(self):
        """Every deadline of a tunnel that is over."""
        self.turns()
        self.clock.advance(ALL_DEADLINES_S)
        self.turns()

    @property
    def is_as_at_first(self):
        """Nothing is left of all the tunnels that were."""
        census = self.house.census
        return not (
            census.all
            or census.unauthenticated
            or self.opener.sockets
            or self.clock.getDelayedCalls()
        )


class HostileTunnel:
    """The proxy's end of a tunnel whose device is the test."""

    def __init__(self, proxy):
        self._proxy = proxy
        record = TunnelRecord(
            tunnel=next(proxy._numbers), peer="192.0.2.9:4711", started_at=proxy.clock.seconds()
        )
        self.session = Session(proxy.house, record)
        self.protocol = TunnelProtocol(Side.A, self.session, proxy.clock)
        self.transport = PeerTransport(self.protocol)
        self.protocol.makeConnection(self.transport)
        self.session.tunnelSecured()

    def send(self, octets):
        """Octets that arrive, and what comes of them; nothing more after the proxy's cut."""
        if not self.transport.gone:
            self.protocol.dataReceived(octets)
            self._proxy.turns()

    def take(self):
        return self.transport.take()

    def close(self, reason=None):
        """The connection ends, by whichever side."""
        self.transport.lose(reason or ConnectionDone())
        self._proxy.turns()
