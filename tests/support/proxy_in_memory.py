"""A tunnel of a proxy in memory; the test controls the device, the targets and the resolver."""

from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from streamplex import Side
from streamplex.tx import TunnelProtocol
from support.memory_tunnels import Aware, Connection, Listener, hand_on
from tessel_proxy.auth import Account, HardcodedAuthenticator
from tessel_proxy.egress.own_addresses import OwnAddresses
from tessel_proxy.egress.policies import Policies
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.penalties import Penalties
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.startup.config import Config
from tessel_proxy.targets.layered import LayeredTarget
from tessel_proxy.targets.lookup import Lookups, NotNowError
from tessel_proxy.targets.opening import Opener
from tessel_proxy.targets.trust import TargetTrust
from tessel_proxy.tunnel.session import Session
from tessel_proxy.tunnel.shared_state import SharedState

PUBLIC = "93.184.216.34"  # an address that egress rules allow
TOKEN = "DEV-CRED"
KIM = Account("kim")
SEND_BUFFER_BYTES = 64 * 1024


class TargetTransport(StringTransport):
    """A TCP transport to a target, with the interface of Twisted's."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.dataBuffer, self.offset, self._tempDataLen = b"", 0, 0  # as Twisted's TCP has
        self.reading = True
        self.writes = []
        self.ended = self.closed = self.aborted = self.lost = False
        self.no_delay = False
        self.full = False

    def setTcpNoDelay(self, enabled):
        self.no_delay = enabled

    def write(self, data):
        if not self.ended:
            super().write(data)
            self.writes.append(data)
            if self.full:
                self._tempDataLen += len(data)
            if self.full and self.producer:
                self.producer.pauseProducing()

    def loseWriteConnection(self):
        self.ended = True

    def loseConnection(self):
        self.closed = True

    def abortConnection(self):
        self.aborted = True
        self.clock.callLater(0, self.lose, error.ConnectionAborted())

    def unregisterProducer(self):
        self.producer = None  # TCP allows this without a producer

    def pauseProducing(self):
        self.reading = False

    def resumeProducing(self):
        self.reading = True

    def carry(self, protocol):
        self.protocol = protocol
        protocol.makeConnection(self)

    def relay_for(self, owner, clock, sockets):
        target = LayeredTarget(owner, clock, sockets)
        self.carry(target)
        target.pace()
        return target

    # actions of the target

    def send(self, data):
        hand_on(self.protocol, data)

    def end(self):
        if IHalfCloseableProtocol.providedBy(self.protocol):  # as Twisted's TCP does
            self.protocol.readConnectionLost()
        else:
            self.lose(error.ConnectionDone())

    def lose(self, reason):
        if self.lost:
            return  # connectionLost is called only once
        self.lost = True
        producer, self.producer = self.producer, None
        if producer:
            producer.stopProducing()
        self.protocol.connectionLost(Failure(reason))

    def reset(self):
        self.lose(error.ConnectionLost())

    def takes_nothing(self):
        self.full = True

    def takes(self, nbytes):
        self._tempDataLen -= nbytes

    def takes_all(self):
        self.full = False
        self._tempDataLen = 0
        self.producer.resumeProducing()


class Resolver:
    """A resolver that answers when the test says so."""

    def __init__(self):
        self.asked = {}

    def __call__(self, name):
        found = Deferred()
        self.asked.setdefault(name, []).append(found)
        return found

    def answer(self, name, *addresses):
        self.asked[name].pop(0).callback(addresses)

    def cannot_say(self, name):
        self.asked[name].pop(0).errback(NotNowError("no name server answers"))


class Carried:
    """A connection that only records the protocol attached to it."""

    def carry(self, protocol):
        self.protocol = protocol


class Dial:
    """A connection attempt, which the test lets succeed or fail."""

    def __init__(self, clock, address, port, caller, transport):
        self._transport = transport
        self.address = self.host = address
        self.port, self._caller = port, caller
        self._clock = clock
        self.stopped = False

    def stands(self):
        transport = self._transport(self._clock)
        self._report().connected(self.address, transport)
        return transport

    def _report(self):
        """Return the caller, which is dropped as by a real attempt."""
        caller, self._caller = self._caller, None
        return caller

    def protocol(self):
        """Establish the connection; return the protocol that the caller attaches."""
        carried = Carried()
        self._report().connected(self.address, carried)
        return carried.protocol

    def fails(self, reason):
        self._report().failed(self.address, Failure(reason))

    def stop(self):
        self.stopped = True


class Connect:
    """Dials connections, which succeed or fail when the test says so."""

    transport = TargetTransport  # of new connections

    def __init__(self, clock):
        self._clock = clock
        self.dials = []
        self.at_once = False  # connections succeed within the call
        self.stood = []

    def __call__(self, address, port, caller):
        dial = Dial(self._clock, address, port, caller, self.transport)
        self.dials.append(dial)
        if self.at_once:
            self.stood.append(dial.stands())
        return dial


class Stage:
    """A tunnel of a proxy, with its device."""

    def __init__(self, authenticator=None, trust=None, **config):
        self.clock = self.reactor = MemoryReactorClock()
        self.resolver = Resolver()
        self.config = Config(**{"auth_recheck_s": 0.0, **config})  # no timer by default
        self.own = OwnAddresses(is_local=lambda _address: False)
        self.policies = Policies(self.config)
        self.connect_target = Connect(self.clock)
        self.opener = Opener(
            self.clock,
            self.connect_target,
            Lookups(self.resolver),
            trust or TargetTrust(None),
            self.policies,
            self.own,
            self.config.connect_timeout_s,
        )
        authenticator = authenticator or HardcodedAuthenticator(TOKEN)
        self.limits = AccountLimits(self.config, self.clock)
        penalties = Penalties(self.config.max_wrong_tokens, self.config.auth_penalty_s)
        self.shared = SharedState(
            self.config, self.clock, authenticator, self.opener, self.limits, penalties
        )
        self.begin_again()

    def begin_again(self):
        """Connect a device over a new tunnel; a former one stays as it is."""
        self.record = TunnelRecord(tunnel=7, peer="192.0.2.9:4711", started_at=self.clock.seconds())
        self.session = Session(self.shared, self.record)
        self.server = TunnelProtocol(Side.A, self.session, self.clock)
        self.listener = Listener()
        self.device = TunnelProtocol(Side.B, self.listener, self.clock)
        self.connection = Connection(self.device, self.server, self.clock)
        self.session.tunnelSecured()
        self.pump = self.connection.pump

    # actions of the device

    def say(self, value):
        self.device.message(value)
        self.pump()

    def authenticate(self, *features, **said):
        offered = {"features": list(features)} if features else {}
        self.say({"token": TOKEN, **offered, **said})

    def open(self, name="net"):
        protocol = Aware()
        self.device.open(name).attach(protocol)
        self.pump()
        return protocol

    def connect(self, host=PUBLIC, port=80, name="net"):
        """Open a substream and name its target."""
        protocol = self.open(name)
        protocol.transport.emit("_pls_connect", port, host)
        self.pump()
        return protocol

    def relay(self, name="net"):
        """Open a substream; return it and the transport of its connected target."""
        number = len(self.dials)
        protocol = self.connect(name=name)
        transport = self.dial(number).stands()
        self.pump()
        return protocol, transport

    def dial(self, number=0):
        return self.dials[number]

    @property
    def dials(self):
        return self.connect_target.dials

    @property
    def heard(self):
        """Return the messages that the device received."""
        return self.listener.messages


class Says:
    """An authenticator whose answers the test can change."""

    def __init__(self, answer=KIM):
        self.answer = answer
        self.asked = []

    def check(self, token):
        self.asked.append(token)
        if isinstance(self.answer, Deferred):
            return self.answer
        return fail(self.answer) if isinstance(self.answer, Exception) else succeed(self.answer)


class LoggedEvents:
    """Record the log events with this name within the `with` block."""

    def __enter__(self):
        self._events = []
        globalLogPublisher.addObserver(self._events.append)
        return self

    def __exit__(self, *_):
        globalLogPublisher.removeObserver(self._events.append)

    def named(self, name):
        return [event for event in self._events if event.get("event") == name]
