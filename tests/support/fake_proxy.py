"""A fake proxy in memory: streamplex's side A, controlled by the test."""

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from streamplex import Side
from streamplex.features import CREDIT
from streamplex.tx import ITunnelListener, TunnelProtocol
from support.memory_tunnels import Aware, Connection
from tessel.network.interface import IConnectWatcher, Target
from tessel.network.tunneled import TunneledNetwork
from tessel.settings import Settings

OURS = {
    "authed": True,
    "features": ["reuse/1", "halfclose/1", "retry/1", "device/1", "goaway/1", "ping/1"],
}
ORIGINAL = {"authed": True}
WITH_CREDIT = {"authed": True, "features": [*OURS["features"], "credit/1"], "window": 65_536}
ENVIRON = {"PROXY_HOST": "proxy.example", "PROXY_TOKEN": "t0ken"}


class Served(Aware):
    """The proxy's end of a substream."""

    def says(self, name, *args):
        self.transport.emit(name, *args)

    def sends(self, data):
        self.transport.write(data)

    def ends(self):
        self.transport.loseWriteConnection()

    def fails(self, message):
        self.transport.fail(message)

    def closes(self):
        self.says("close")

    @property
    def name(self):
        return self.transport.name


@implementer(ITunnelListener)
class FakeProxy:
    """Accepts tunnels, answers tokens and records opened substreams."""

    def __init__(self, clock, answer=OURS):
        self.clock = clock
        self.answer = answer  # None: no answer
        self.refusal = None  # the error if it cannot be reached
        self.hangs = False  # a dial gets no answer
        self.dials = []
        self.given_up = 0
        self.said = []
        self.served = []
        self.lost = []
        self.connections = []
        self.tunnels = []

    def dial(self, target, factory, tls):
        self.dials.append((target, tls))
        if self.hangs:
            return Deferred(lambda _: self._give_up())
        if self.refusal is not None:
            return fail(self.refusal)
        device, server = factory(), TunnelProtocol(Side.A, self, self.clock)
        self.connections.append(Connection(device, server, self.clock))
        return succeed(device)

    def _give_up(self):
        self.given_up += 1

    def pump(self):
        for connection in self.connections:
            connection.pump()

    def tunnelMade(self, tunnel):
        self.tunnels.append(tunnel)

    def messageReceived(self, value):
        self.said.append(value)
        if self.answer is not None:
            self.tunnels[-1].message(self.answer)
            if isinstance(self.answer, dict) and "window" in self.answer:
                self.tunnels[-1].enable([CREDIT], None, value["window"])

    def goAwayReceived(self, after_ms):
        """Do nothing: a proxy gets no goaway."""

    def substreamOpened(self, substream):
        served = Served()
        substream.attach(served)
        self.served.append(served)

    def tunnelLost(self, reason):
        self.lost.append(reason)


@implementer(IConnectWatcher)
class Watch:
    """Records the calls of a watcher."""

    def __init__(self):
        self.told = []
        self.transport = None

    def opened(self, transport):
        self.transport = transport
        self.told.append("opened")

    def looked_up(self, error, address, family):
        self.told.append("looked up")

    def connected(self):
        self.told.append("connected")


class Device:
    """The tunneled network of a device, connected to a fake proxy."""

    def __init__(self, answer=OURS, random=lambda: 1.0, **environ):
        self.clock = Clock()
        self.proxy = FakeProxy(self.clock, answer)
        self.settings = Settings.from_env(ENVIRON | environ)
        self.network = TunneledNetwork(self.settings, self.proxy.dial, self.clock, random)
        self.attempts = []

    def connect(self, make, name="net"):
        """Connect; return outcome, watcher, and the proxy's end of the substream, if any."""
        method = self.network.connect if name == "net" else self.network.connect_tls_at_proxy
        attempt = Attempt()
        running = method(Target("example.com", 80), make, attempt.watch, "a test")
        attempt.deferred = Deferred.fromCoroutine(running)
        attempt.deferred.addCallbacks(attempt.stood, attempt.failed)
        self.pump()
        self.attempts.append(attempt)
        return attempt

    def stand(self, make):
        """Return an established connection: its protocol and the proxy's end."""
        attempt = self.connect(make)
        served = self.proxy.served[-1]
        served.says("connect")
        self.pump()
        return attempt.protocol, served

    def pump(self):
        self.clock.advance(0)
        self.proxy.pump()

    def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.pump()


class Attempt:
    def __init__(self):
        self.watch = Watch()
        self.protocol = self.error = None

    def stood(self, protocol):
        self.protocol = protocol

    def failed(self, failure):
        self.error = failure.value
