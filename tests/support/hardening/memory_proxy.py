"""Whole tunnels of a proxy without sockets: pump, core, session, relays, with fake targets.

Thousands of hostile tunnels pass through one shared, as they do in a process.
"""

from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from zope.interface import directlyProvides

from streamplex import Side
from streamplex.tx import TunnelProtocol
from support.dialogues import frames_in
from support.memory_tunnels import MemoryTransport
from support.proxy_in_memory import Stage, TargetTransport
from tessel_proxy.auth import Account, Refused
from tessel_proxy.records.accounting import NoWitness, TunnelRecord
from tessel_proxy.targets import node_errors
from tessel_proxy.tunnel.session import Session

ALL_DEADLINES_S = 1000.0
DEAF_SHARE = 0.2
LOOK_S = 30.0  # interval of several checks, such as that of lingering targets

ATTACKERS_TOKEN = "DEV-CRED"  # the recorded token
BYSTANDERS_TOKEN = "a bystander's"
NO_LIMITS = {"opens_per_s": 1_000_000, "max_wrong_tokens": 1_000_000}
"""All attackers are one account with one address: the usual limits would stop them too early."""


class TwoAccounts:
    """An authenticator with one account for attackers and one for the bystander."""

    _names = {ATTACKERS_TOKEN: "attacker", BYSTANDERS_TOKEN: "bystander"}  # noqa: RUF012 -- fixed

    def check(self, token):
        name = self._names.get(token)
        return succeed(Refused() if name is None else Account(name))


class PeerTransport(MemoryTransport):
    """A TCP transport to a peer that the test controls byte by byte."""

    def __init__(self, protocol):
        super().__init__(protocol)
        directlyProvides(self, ITCPTransport)

    def take(self):
        """Return the bytes sent to the peer, and report them as sent."""
        data = bytes(self.sent)
        self.left()
        return data

    @property
    def gone(self):
        """Whether the proxy has closed this connection."""
        return self.disconnecting or not self.connected


class EchoTransport(TargetTransport):
    """A TCP transport to an echo, which ends on request and may reset."""

    def __init__(self, clock, *, resets):
        super().__init__(clock)
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


class DeafTransport(TargetTransport):
    """A TCP transport to a target that does not read: it stays open until it is reset."""

    def __init__(self, clock):
        super().__init__(clock)
        self.takes_nothing()

    def loseConnection(self):
        super().loseConnection()
        if not self._tempDataLen:
            self.clock.callLater(0, self.lose, ConnectionDone())


class UnderWay:
    """An opening that is under way until it is cancelled."""

    cancelled = False

    def cancel(self):
        self.cancelled = True


@dataclass
class FakeOpener:
    """Opens a target at random: at once, later, never, or with an error."""

    clock: object
    random: Random
    some_are_deaf: bool = False
    sockets: set = field(default_factory=set)
    opened: int = 0

    def open(self, request, kind, account, tunnel, asker, *, trace=None):
        match self.random.randrange(8):
            case 0:
                raise node_errors.not_found(request.host)
            case 1:
                return UnderWay()  # until it is cancelled
            case 2:
                opening = UnderWay()
                self.clock.callLater(0, self._open_unless_cancelled, opening, asker)
                return opening
            case chance:
                asker.target_opened(self._open(asker, resets=chance == 3))
                return None

    def _open_unless_cancelled(self, opening, asker):
        if not opening.cancelled:
            asker.target_opened(self._open(asker, resets=False))

    def _open(self, asker, *, resets):
        self.opened += 1
        if self.some_are_deaf and self.random.random() < DEAF_SHARE:
            transport = DeafTransport(self.clock)
        else:
            transport = EchoTransport(self.clock, resets=resets)
        target = transport.relay_for(asker, self.clock, self.sockets)
        asker.target_connected("192.0.2.1")
        return target


class MemoryProxy:
    """The parts of a proxy that all tunnels of a test share."""

    def __init__(self, seed, *, witness=None, some_are_deaf=False, **config):
        """`config` holds settings; the others have their defaults."""
        stage = Stage(TwoAccounts(), **config)
        stage.connection.cut()  # the first tunnel is not needed
        self.clock = stage.clock
        self.opener = FakeOpener(self.clock, Random(seed), some_are_deaf)
        self.shared = replace(stage.shared, opener=self.opener, witness=witness or NoWitness())
        self._numbers = count(1)
        self.most_waiting = 0  # number of substreams that waited for their account's rate

    def tunnel(self, host="192.0.2.9"):
        return HostileTunnel(self, host)

    def be_visited(self, pieces, host="192.0.2.9"):
        """Let a device send these pieces and close."""
        tunnel = self.tunnel(host)
        for piece in pieces:
            tunnel.send(piece)
        _, left = frames_in(tunnel.take())
        assert not left, "half a frame was sent"
        self.most_waiting = max(self.most_waiting, self.shared.limits.waiting_for_rate)
        tunnel.close()

    def turns(self, most=50):
        """Run everything that is due now, repeatedly."""
        for _ in range(most):
            due = self.clock.getDelayedCalls()
            if not due or due[0].getTime() > self.clock.seconds():
                return
            self.clock.advance(0)

    def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.turns()

    def pass_all_time(self):
        """Let all deadlines of closed tunnels pass."""
        self.turns()
        for _ in range(int(ALL_DEADLINES_S / LOOK_S)):
            self.pass_time(LOOK_S)

    @property
    def is_as_at_first(self):
        """Whether nothing is left of the closed tunnels."""
        tunnels = self.shared.tunnels
        return not (
            tunnels.all
            or tunnels.unauthenticated
            or self.opener.sockets
            or self.clock.getDelayedCalls()
        )


class HostileTunnel:
    """The proxy's end of a tunnel; the test is the device."""

    def __init__(self, proxy, host):
        self._proxy = proxy
        record = TunnelRecord(
            tunnel=next(proxy._numbers),
            peer=f"{host}:4711",
            started_at=proxy.clock.seconds(),
            witness=proxy.shared.witness,
        )
        self.session = Session(proxy.shared, record)
        self.protocol = TunnelProtocol(Side.A, self.session, proxy.clock)
        self.transport = PeerTransport(self.protocol)
        self.protocol.makeConnection(self.transport)
        self.session.tunnelSecured()

    def send(self, data):
        """Deliver bytes to the proxy, unless it has closed the connection."""
        if not self.transport.gone:
            self.protocol.dataReceived(data)
            self._proxy.turns()

    def take(self):
        return self.transport.take()

    def close(self, reason=None):
        """End the connection."""
        self.transport.lose(reason or ConnectionDone())
        self._proxy.turns()
