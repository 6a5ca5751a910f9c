"""200,000 substreams one after another, 16,000 at once each way: in memory and over sockets."""

import gc
from contextlib import asynccontextmanager

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from streamplex import Side, TunnelCore
from streamplex.features import CREDIT, REUSE
from streamplex.testing import exchange
from streamplex.tx import TunnelProtocol
from support.memory_tunnels import HalfCloseable, Listener, Tunnels

pytestmark = pytest.mark.usefixtures("untraced")

SEQUENTIAL = 200_000
TWO_ROUNDS = 70_000  # more than all numbers twice: enough for a core alone
AT_ONCE = 16_000
IN_FLIGHT = 100
OBJECTS_OF_NOTE = 2000
"""Far fewer than one per substream."""


async def until_released(*tunnels):
    """The last `end`s are still on their way when this side has said its own."""
    while any(tunnel.substreams for tunnel in tunnels):
        await deferLater(reactor, 0.001)


class Echo(Protocol):
    """Sends back what comes, and ends when its peer does."""

    def dataReceived(self, data):
        self.transport.write(data)


class Count(Protocol):
    """Counts the bytes that all of its kind have got."""

    nbytes = 0

    def dataReceived(self, data):
        Count.nbytes += len(data)


class Visitor(Protocol):
    """Sends a word and its end, and waits for the peer's."""

    def __init__(self, done):
        self.done = done

    def connectionMade(self):
        self.transport.write(b"hello")
        self.transport.loseWriteConnection()

    def connectionLost(self, reason):
        self.done()


def in_sequence(tunnel, total):
    """Runs substreams through a tunnel, some at a time. Fires when all are done."""
    finished = Deferred()
    begun = ended = 0

    def begin():
        nonlocal begun
        begun += 1
        tunnel.open("net").attach(Visitor(one_done))

    def one_done():
        nonlocal ended
        ended += 1
        if begun < total:
            begin()
        elif ended == total:
            finished.callback(None)

    for _ in range(IN_FLIGHT):
        begin()
    return finished


def objects():
    gc.collect()
    return len(gc.get_objects())


def assert_clean(*tunnels):
    for tunnel in tunnels:
        core = tunnel.core
        assert not tunnel.substreams
        assert not core
        assert not core._open
        assert not core.leaving
        assert core.scheduler.frame_bytes == 0
        assert tunnel.held._nbytes == 0


@pytest.mark.parametrize("features", [[REUSE], [REUSE, CREDIT]], ids=["reuse", "credit"])
def test_two_cores_keep_nothing_of_70_000_substreams_in_sequence(features):
    server, device = TunnelCore(Side.A), TunnelCore(Side.B)
    server.enable(features)
    device.enable(features)
    before = objects()
    for _ in range(TWO_ROUNDS // IN_FLIGHT):
        channels = [server.open("net") for _ in range(IN_FLIGHT)]
        for channel in channels:
            server.send(channel, b"hello")
            server.end(channel)
        exchange(server, device)
        for channel in channels:
            device.end(channel)
            device.release(channel)
        exchange(server, device)
        for channel in channels:
            server.release(channel)
    assert objects() - before < OBJECTS_OF_NOTE
    for core in (server, device):
        assert not core._open
        assert not core.leaving


def open_and_finish(opener, other):
    """A substream's whole life, both ends."""
    channel = opener.open(None)
    opener.end(channel)
    exchange(opener, other)
    other.end(channel)
    other.release(channel)
    exchange(opener, other)
    opener.release(channel)
    return channel


def test_seventy_thousand_substreams_in_sequence_reuse_their_numbers():
    device, server = TunnelCore(Side.B), TunnelCore(Side.A)
    device.enable([REUSE])
    numbers = [open_and_finish(device, server) for _ in range(TWO_ROUNDS)]
    once = list(range(2, 65_536, 2))
    assert numbers == (once * 3)[:TWO_ROUNDS]
    assert not device._open
    assert not server._open


class NotKept(list):
    """A list that stays empty."""

    def append(self, item):
        pass


def open_16_000_each_way(device, server):
    """Opens 16,000 substreams from either side; the protocols at all their ends."""
    own = []
    for tunnel in (device, server):
        for _ in range(AT_ONCE):
            protocol = HalfCloseable()
            tunnel.open("net").attach(protocol)
            own.append(protocol)
    return own


def test_two_tunnels_in_memory_hold_16_000_substreams_at_once_each_way():
    tunnels = Tunnels(Echo)
    tunnels.near.on_open = lambda substream: substream.attach(Echo())
    own = open_16_000_each_way(tunnels.device, tunnels.server)
    tunnels.pump()
    assert len(tunnels.device.substreams) == len(tunnels.server.substreams) == 2 * AT_ONCE
    for number, protocol in enumerate(own):
        protocol.transport.write(b"%d" % number)
    tunnels.pump()
    assert [bytes(protocol.data) for protocol in own] == [b"%d" % n for n in range(2 * AT_ONCE)]
    for some in range(0, 2 * AT_ONCE, 100):  # Clock sorts its calls at each new one
        for protocol in own[some : some + 100]:
            protocol.transport.loseConnection()
        tunnels.pump()
    assert all(protocol.lost for protocol in own)
    assert_clean(tunnels.device, tunnels.server)


@asynccontextmanager
async def over_sockets(serve):
    """A device's and a server's tunnel over TCP on this machine."""
    near, far = Listener(), Listener(lambda substream: substream.attach(serve()))
    near.opened = far.opened = NotKept()
    near.calls = far.calls = NotKept()
    near.on_open = far.on_open
    device = TunnelProtocol(Side.B, near, reactor)
    server = TunnelProtocol(Side.A, far, reactor)
    lost = []
    for listener in (near, far):
        lost.append(Deferred())
        listener.tunnelLost = lambda reason, end=lost[-1]: end.callback(None)
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
        Factory.forProtocol(lambda: server)
    )
    try:
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), device)
        yield device, server
        device.loseConnection()
        for end in lost:
            await end
    finally:
        await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_two_tunnels_over_sockets_survive_200_000_substreams_in_sequence():
    async with over_sockets(Count) as (device, server):
        device.enable([REUSE])
        await in_sequence(device, IN_FLIGHT)
        await until_released(device, server)
        before = objects()
        Count.nbytes = 0
        await in_sequence(device, SEQUENTIAL)
        await until_released(device, server)
        assert objects() - before < OBJECTS_OF_NOTE
        assert Count.nbytes == SEQUENTIAL * len(b"hello")
        assert_clean(device, server)


@pytest_twisted.ensureDeferred
async def test_two_tunnels_over_sockets_hold_16_000_substreams_at_once_each_way():
    async with over_sockets(Echo) as (device, server):
        own = open_16_000_each_way(device, server)
        answered = Deferred()
        waiting = set(range(2 * AT_ONCE))
        for number, protocol in enumerate(own):
            protocol.dataReceived = lambda data, n=number: (
                waiting.discard(n),
                waiting or answered.callback(None),
            )
            protocol.transport.write(b"x")
        await answered
        assert len(device.substreams) == len(server.substreams) == 2 * AT_ONCE
        closed = Deferred()
        left = len(own)

        def one_closed(reason):
            nonlocal left
            left -= 1
            if not left:
                closed.callback(None)

        for protocol in own:
            protocol.connectionLost = one_closed
            protocol.transport.loseConnection()
        await closed
        await until_released(device, server)
        assert_clean(device, server)
