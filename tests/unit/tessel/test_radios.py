"""What every radio has to do, host's or chip's: the same battery on the real reactor, on loopback.

Where the chip is weaker, the difference is a test of its own at the end.
"""

import hashlib

import pytest
import pytest_twisted
from twisted.internet import error
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory
from twisted.internet.task import deferLater

from support.radios import HOST, SIMULATED, radio_of
from tessel.radio import interface as radio_interface
from tessel.radio.interface import LinkState

MEBIBYTE = 1 << 20


@pytest.fixture
def reactor():
    from twisted.internet import reactor as real  # noqa: PLC0415 - installed when first imported

    return real


def lifted(kind, reactor):
    radio = radio_of(kind, reactor)
    pytest_twisted.blockon(radio.power_on())
    return radio


def ended(radio, reactor):
    """Switched off, and nothing of it is left in the reactor."""
    pytest_twisted.blockon(radio.power_off())
    pytest_twisted.blockon(deferLater(reactor, 0.01))
    watched = [*reactor.getReaders(), *reactor.getWriters()]
    assert [selectable for selectable in watched if radio.owns(selectable)] == []


@pytest.fixture(params=[HOST, *SIMULATED])
def radio(request, reactor):
    radio = lifted(request.param, reactor)
    yield radio
    ended(radio, reactor)


@pytest.fixture(params=SIMULATED)
def chip_radio(request, reactor):
    radio = lifted(request.param, reactor)
    yield radio
    ended(radio, reactor)


class Client(Protocol):
    """`got` grows; `has(n)` fires at n bytes, `gone` with the kind of reason."""

    def __init__(self):
        self.got = bytearray()
        self.gone = Deferred()
        self._awaited = None

    def dataReceived(self, data):
        self.got += data
        self._tell()

    def has(self, nbytes):
        self._awaited = (nbytes, Deferred())
        answer = self._awaited[1]
        self._tell()
        return answer

    def _tell(self):
        if self._awaited is not None and len(self.got) >= self._awaited[0]:
            (_, answer), self._awaited = self._awaited, None
            answer.callback(self.got)

    def connectionLost(self, reason):
        self.gone.callback(reason.type)


class Target(ServerFactory):
    """A server of this machine; `arrived` has its ends of the connections."""

    noisy = False

    def __init__(self, reactor):
        self.arrived = []
        self._port = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.number = self._port.getHost().port

    def buildProtocol(self, addr):
        self.arrived.append(Client())
        return self.arrived[-1]

    def stop(self):
        for client in self.arrived:
            if client.transport.connected:
                client.transport.abortConnection()
        port, self._port = self._port, None
        return succeed(None) if port is None else port.stopListening()


@pytest.fixture
def target(reactor):
    target = Target(reactor)
    yield target
    pytest_twisted.blockon(target.stop())


async def connected(radio, target):
    """Both ends of a new connection."""
    client = await radio.connect(["127.0.0.1"], target.number, Client)
    server = target.arrived[-1]
    return client, server


@pytest_twisted.ensureDeferred
async def test_bytes_go_both_ways(radio, target):
    client, server = await connected(radio, target)
    client.transport.write(b"question")
    assert await server.has(8) == b"question"
    server.transport.writeSequence([b"ans", b"wer"])
    assert await client.has(6) == b"answer"
    assert client.transport.getPeer().port == target.number
    assert radio.connections_opened == 1


@pytest_twisted.ensureDeferred
async def test_a_close_comes_after_what_was_written(radio, target):
    client, server = await connected(radio, target)
    client.transport.write(b"x" * 20_000)
    client.transport.loseConnection()
    assert await server.gone is error.ConnectionDone
    assert len(server.got) == 20_000
    assert await client.gone is error.ConnectionDone


@pytest_twisted.ensureDeferred
async def test_the_peers_close_comes_after_what_it_wrote(radio, target):
    client, server = await connected(radio, target)
    server.transport.write(b"x" * 20_000)
    server.transport.loseConnection()
    assert await client.gone is error.ConnectionDone
    assert len(client.got) == 20_000


@pytest_twisted.ensureDeferred
async def test_an_abort_ends_both(radio, target):
    client, server = await connected(radio, target)
    client.transport.abortConnection()
    assert await client.gone is error.ConnectionAborted
    assert await server.gone in (error.ConnectionLost, error.ConnectionDone)


@pytest_twisted.ensureDeferred
async def test_a_peers_reset_is_a_lost_connection(radio, target):
    client, server = await connected(radio, target)
    server.transport.abortConnection()
    assert await client.gone is error.ConnectionLost
    await server.gone


@pytest_twisted.ensureDeferred
async def test_a_reset_after_bytes_is_a_lost_connection(radio, target):
    client, server = await connected(radio, target)
    server.transport.write(b"x" * 1000)
    await client.has(1000)
    server.transport.abortConnection()
    assert await client.gone is error.ConnectionLost


@pytest_twisted.ensureDeferred
async def test_a_reset_during_an_upload_is_a_lost_connection(radio, target):
    client, server = await connected(radio, target)
    server.transport.pauseProducing()
    client.transport.write(b"x" * 5_000_000)
    client.transport.loseConnection()
    server.transport.abortConnection()
    assert await client.gone is error.ConnectionLost


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest_twisted.ensureDeferred
async def test_a_mebibyte_arrives_whole_in_both_directions_at_once(radio, target):
    client, server = await connected(radio, target)
    upwards, downwards = bytes(range(256)) * 4096, bytes(range(255, -1, -1)) * 4096
    client.transport.write(upwards)
    server.transport.write(downwards)
    await gatherResults([server.has(MEBIBYTE), client.has(MEBIBYTE)])
    assert digest(server.got) == digest(upwards)
    assert digest(client.got) == digest(downwards)


@pytest_twisted.ensureDeferred
async def test_nothing_comes_while_it_is_paused(radio, target, reactor):
    client, server = await connected(radio, target)
    client.transport.pauseProducing()
    server.transport.write(b"x" * 100_000)
    await deferLater(reactor, 0.05)
    held = len(client.got)
    await deferLater(reactor, 0.05)
    assert len(client.got) == held == 0
    client.transport.resumeProducing()
    await client.has(100_000)


class Feed:
    """A push producer of so many bytes."""

    def __init__(self, transport, nbytes):
        self._transport = transport
        self._left = nbytes
        self.pauses = 0
        self._paused = False

    def resumeProducing(self):
        self._paused = False
        while self._left and not self._paused:
            self._left -= 1000
            self._transport.write(b"x" * 1000)
        if not self._left:
            self._transport.unregisterProducer()

    def pauseProducing(self):
        self._paused = True
        self.pauses += 1

    def stopProducing(self):
        self._left = 0


@pytest_twisted.ensureDeferred
async def test_a_producer_is_paused_while_the_peer_takes_nothing(radio, target):
    client, server = await connected(radio, target)
    feed = Feed(client.transport, 500_000)
    client.transport.registerProducer(feed, streaming=True)
    feed.resumeProducing()
    await server.has(500_000)
    assert feed.pauses


@pytest_twisted.ensureDeferred
async def test_a_name_is_found_and_another_is_not(radio):
    assert "127.0.0.1" in await radio.lookup("localhost")
    with pytest.raises(radio_interface.NameNotFoundError):
        await radio.lookup("a..b")


@pytest_twisted.ensureDeferred
async def test_nobody_at_a_port_is_an_error_and_no_connection(radio, target):
    await target.stop()
    with pytest.raises(radio_interface.RadioError):
        await radio.connect(["127.0.0.1"], target.number, Client)
    assert radio.connections_opened == 0


@pytest_twisted.ensureDeferred
async def test_the_next_address_is_tried(radio, target):
    client = await radio.connect(["127.0.0.2", "127.0.0.1"], target.number, Client)
    assert client.transport.getPeer().host == "127.0.0.1"


@pytest_twisted.ensureDeferred
async def test_a_port_accepts_and_stops(radio, reactor):
    class Echo(Client):
        def dataReceived(self, data):
            self.transport.write(data.upper())

    port = await radio.listen(0, Echo, address="", backlog=5)
    number = port.getHost().port
    client = Client()
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol  # noqa: PLC0415

    there = TCP4ClientEndpoint(reactor, "127.0.0.1", number)
    await connectProtocol(there, client)
    client.transport.write(b"hello")
    assert await client.has(5) == b"HELLO"
    client.transport.loseConnection()
    await client.gone
    await port.stop()
    with pytest.raises(error.ConnectionRefusedError):
        await connectProtocol(there, Client())


@pytest_twisted.ensureDeferred
async def test_callers_are_accepted_one_after_the_other(radio, reactor):
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol  # noqa: PLC0415

    class Once(Client):
        def connectionMade(self):
            self.transport.write(b"served")
            self.transport.loseConnection()

    port = await radio.listen(0, Once, address="", backlog=5)
    there = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    callers = await gatherResults([connectProtocol(there, Client()) for _ in range(12)])
    await gatherResults([caller.gone for caller in callers])
    assert [caller.got for caller in callers] == [b"served"] * 12
    await port.stop()


class Heard(DatagramProtocol):
    def __init__(self):
        self.heard = Deferred()

    def datagramReceived(self, datagram, addr):
        self.heard.callback((datagram, addr))


@pytest_twisted.ensureDeferred
async def test_datagrams_go_both_ways(radio, reactor):
    ours, theirs = Heard(), Heard()
    there = reactor.listenUDP(0, theirs, interface="127.0.0.1")
    here = await radio.bind_udp(0, ours, address="")
    ours.transport.write(b"ping", ("127.0.0.1", there.getHost().port))
    datagram, addr = await theirs.heard
    assert (datagram, addr[1]) == (b"ping", here.getHost().port)
    theirs.transport.write(b"pong", addr)
    assert await ours.heard == (b"pong", ("127.0.0.1", there.getHost().port))
    await here.stop()
    await there.stopListening()


@pytest_twisted.ensureDeferred
async def test_many_connections_in_turn_leave_nothing_behind(radio, target):
    for _ in range(15):
        client, server = await connected(radio, target)
        client.transport.write(b"x")
        await server.has(1)
        client.transport.loseConnection()
        await gatherResults([client.gone, server.gone])
    assert radio.connections_opened == 15


@pytest_twisted.ensureDeferred
async def test_four_connections_at_once_do_not_mix(radio, target):
    pairs = [await connected(radio, target) for _ in range(4)]
    for number, (client, server) in enumerate(pairs):
        client.transport.write(bytes([number]) * 50_000)
        server.transport.write(bytes([number + 100]) * 50_000)
    for number, (client, server) in enumerate(pairs):
        assert set(await server.has(50_000)) == {number}
        assert set(await client.has(50_000)) == {number + 100}


@pytest_twisted.ensureDeferred
async def test_switching_off_ends_connections_and_says_so(radio, target):
    client, server = await connected(radio, target)
    seen = []
    radio.watch_link(seen.append)
    await radio.power_off()
    await gatherResults([client.gone, server.gone])
    assert seen == [LinkState.OFF]
    with pytest.raises(radio_interface.NetworkUnreachableError):
        await radio.connect(["127.0.0.1"], target.number, Client)
    await radio.power_on()
    client, server = await connected(radio, target)
    client.transport.write(b"again")
    assert await server.has(5) == b"again"


@pytest_twisted.ensureDeferred
async def test_an_attempt_may_be_given_up(radio, target, reactor):
    attempt = radio.connect(["127.0.0.1"], target.number, Client)
    attempt.cancel()
    await attempt.addErrback(lambda _: None)
    await deferLater(reactor, 0.05)
    assert all(not server.transport.connected or server.gone for server in target.arrived)
    client, _ = await connected(radio, target)
    client.transport.loseConnection()
    await client.gone


# Where the chip is weaker.


@pytest_twisted.ensureDeferred
async def test_the_chip_does_not_distinguish_refused_from_nothing(chip_radio, target):
    await target.stop()
    with pytest.raises(radio_interface.RadioError) as caught:
        await chip_radio.connect(["127.0.0.1"], target.number, Client)
    assert not isinstance(caught.value, radio_interface.NetworkUnreachableError)


@pytest_twisted.ensureDeferred
async def test_the_chips_fifth_connection_has_no_socket(reactor, target):
    radio = radio_of("cc3000", reactor)
    await radio.power_on()
    clients = [(await connected(radio, target))[0] for _ in range(4)]
    with pytest.raises(radio_interface.NoSocketError):
        await radio.connect(["127.0.0.1"], target.number, Client)
    clients[0].transport.loseConnection()
    await clients[0].gone
    await connected(radio, target)
    await radio.power_off()


@pytest_twisted.ensureDeferred
async def test_ending_ones_own_side_ends_the_chips_connection(chip_radio, target):
    client, server = await connected(chip_radio, target)
    client.transport.write(b"last words")
    client.transport.loseWriteConnection()
    await gatherResults([client.gone, server.gone])
    assert server.got == b"last words"


@pytest_twisted.ensureDeferred
async def test_ten_megabytes_go_down_and_up_over_the_simulated_chip(reactor, target):
    radio = radio_of("cc3000", reactor)
    await radio.power_on()
    client, server = await connected(radio, target)
    data = b"".join(number.to_bytes(4, "big") for number in range(2_500_000))
    server.transport.write(data)
    assert digest(await client.has(len(data))) == digest(data)
    client.transport.write(data)
    assert digest(await server.has(len(data))) == digest(data)
    await radio.power_off()
