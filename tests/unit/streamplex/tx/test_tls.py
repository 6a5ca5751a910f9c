"""TLS over a substream, a tunnel over TLS, and how TLS ends."""

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IPushProducer,
    IUNIXTransport,
)
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer, providedBy

from streamplex import RemoteError, Side, TunnelLostError
from streamplex.tx import TunnelProtocol
from streamplex.tx.interfaces import ITakesViews
from streamplex.tx.openssl import ROOM_BYTES, give_bios, has_bio_to_read
from streamplex.tx.tls import (
    LAST_BYTES_S,
    MAX_UNSEALED_BYTES,
    QUIET_WRITES,
    TLSFactory,
    TLSTransport,
    ended_by_fin,
)
from streamplex.tx.tls_contexts import ignore_alpn
from support.memory_tunnels import Connection, HalfCloseable, Listener, Plain, Tunnels
from support.spaced import spaced

NOT_TLS = b"\x17\x03\x03\x00\x40" + b"?" * 64  # a record that nobody has encrypted


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class Creator:
    """Connections of one OpenSSL context; Twisted's own options take no certificate in memory
    without a warning of pyOpenSSL's.
    """

    def __init__(self):
        self.context = SSL.Context(SSL.TLS_METHOD)

    def clientConnectionForTLS(self, protocol):
        return SSL.Connection(self.context)

    serverConnectionForTLS = clientConnectionForTLS


def client_that_trusts(authority):
    client = Creator()
    authority.configure_trust(client.context)
    client.context.set_verify(SSL.VERIFY_PEER)
    return client


@pytest.fixture(scope="module")
def contexts():
    """Contexts of a client and of a server that it trusts."""
    authority = trustme.CA()
    server = Creator()
    authority.issue_cert("target.example").configure_cert(server.context)
    return client_that_trusts(authority), server


def over_tls(context, protocol, clock, *, is_client):
    factory = Factory.forProtocol(lambda: protocol)
    return TLSFactory(context, is_client, factory, clock).buildProtocol(None)


def connected(contexts):
    """A connection in memory with TLS, and the protocols over its ends."""
    client, server = contexts
    clock, near, far = Clock(), Plain(), Plain()
    connection = Connection(
        over_tls(client, near, clock, is_client=True),
        over_tls(server, far, clock, is_client=False),
        clock,
    )
    return connection, near, far


class Secured:
    """TLS over a substream, both ends."""

    def __init__(self, contexts):
        client, server = contexts
        self.near, self.far = Plain(), Plain()
        self.tunnels = Tunnels(
            lambda: over_tls(server, self.far, self.tunnels.clock, is_client=False)
        )
        clock = self.tunnels.clock
        self.substream = self.tunnels.device.open("net")
        self.substream.attach(over_tls(client, self.near, clock, is_client=True))
        self.pump = self.tunnels.pump
        self.pump()


@pytest.fixture
def secured(contexts):
    return Secured(contexts)


def test_data_of_any_size_flows_both_ways(secured):
    secured.near.transport.write(b"q" * 1_000_000)
    secured.far.transport.write(b"a" * 1_000_000)
    secured.pump()
    assert secured.far.data == b"q" * 1_000_000
    assert secured.near.data == b"a" * 1_000_000


def test_a_connection_provides_the_interfaces_of_its_transport(contexts):
    for more in ((), (IUNIXTransport,), ()):
        transport = StringTransport()
        alsoProvides(transport, *more)
        tls = over_tls(contexts[0], Plain(), Clock(), is_client=True)
        tls.makeConnection(transport)
        assert all(each.providedBy(tls) for each in providedBy(transport))
        assert IUNIXTransport.providedBy(tls) == (IUNIXTransport in more)
        assert ITakesViews.providedBy(tls)


def test_protocols_that_a_client_offers_can_be_ignored():
    authority, server = trustme.CA(), Creator()
    authority.issue_cert("target.example").configure_cert(server.context)
    ignore_alpn(server.context)
    client = client_that_trusts(authority)
    client.context.set_alpn_protos([b"h2"])
    secured = Secured((client, server))
    secured.near.transport.write(b"ping")
    secured.pump()
    assert secured.far.data == b"ping"


def test_a_transport_says_whether_its_handshake_resumed_a_session(contexts):
    client, server = contexts
    first = Secured(contexts)
    first.far.transport.write(b"hello")
    first.pump()
    assert not first.near.transport.resumed
    session = first.near.transport.getHandle().get_session()

    class Resuming(Creator):
        def __init__(self):
            self.context = client.context

        def clientConnectionForTLS(self, protocol):
            connection = SSL.Connection(self.context)
            connection.set_session(session)
            return connection

    second = Secured((Resuming(), server))
    assert second.near.transport.resumed
    assert second.far.transport.resumed


def test_what_the_tunnel_carries_is_not_the_plain_text(secured):
    seen = bytearray()
    deliver = secured.tunnels.server.dataReceived
    secured.tunnels.server.dataReceived = lambda data: (seen.extend(data), deliver(data))
    secured.near.transport.write(b"marker")
    secured.pump()
    assert secured.far.data == b"marker"
    assert len(seen) > 6
    assert b"marker" not in seen


def test_a_close_is_clean_at_both_ends(secured):
    secured.near.transport.write(b"last words")
    secured.near.transport.loseConnection()
    secured.pump()
    assert secured.far.data == b"last words"
    assert secured.near.lost.check(error.ConnectionDone)
    assert secured.far.lost.check(error.ConnectionDone)
    assert not secured.tunnels.device.substreams
    assert not secured.tunnels.server.substreams


def test_an_abort_is_unclean_at_both_ends(secured):
    secured.near.transport.abortConnection()
    secured.pump()
    assert secured.near.lost is not None
    assert not secured.far.lost.check(error.ConnectionDone)


def test_a_tunnel_that_is_lost_does_not_look_like_a_clean_close(secured):
    secured.tunnels.connection.cut(error.ConnectionDone())
    assert secured.near.lost.check(error.ConnectionLost)
    assert secured.far.lost.check(error.ConnectionLost)


def test_a_paused_reader_over_tls_pauses_the_writer_at_the_other_end(secured):
    secured.near.transport.pauseProducing()
    secured.far.transport.write(bytes(5_000_000))
    secured.pump()
    held = len(secured.near.data)
    assert held < 1_000_000
    secured.near.transport.resumeProducing()
    secured.pump()
    assert len(secured.near.data) == 5_000_000


class OverTLS:
    """A tunnel over TLS over a connection in memory."""

    def __init__(self, contexts):
        client, server = contexts
        clock = Clock()
        self.near = Listener()
        self.served = HalfCloseable()
        self.far = Listener(lambda substream: substream.attach(self.served))
        self.device = TunnelProtocol(Side.B, self.near, clock)
        self.server = TunnelProtocol(Side.A, self.far, clock)
        self.connection = Connection(
            over_tls(client, self.device, clock, is_client=True),
            over_tls(server, self.server, clock, is_client=False),
            clock,
        )
        self.pump = self.connection.pump


@pytest.fixture
def over(contexts):
    return OverTLS(contexts)


def test_the_listener_is_told_when_the_handshake_is_done(over):
    assert over.near.calls == over.far.calls == ["made", "secured"]
    assert over.connection.ends[0].no_delay is True


def test_what_is_sent_before_the_handshake_arrives_after_it(contexts):
    clock = Clock()
    near, far = Listener(), Listener()
    near.tunnelMade = lambda tunnel: tunnel.message({"token": "x"})
    device = TunnelProtocol(Side.B, near, clock)
    client, server = contexts
    Connection(
        over_tls(client, device, clock, is_client=True),
        over_tls(server, TunnelProtocol(Side.A, far, clock), clock, is_client=False),
        clock,
    )
    assert far.messages == [{"token": "x"}]
    assert far.calls == ["made", "secured", "message"]


def test_what_a_server_sends_before_the_handshake_arrives_after_it(contexts):
    clock = Clock()
    near, far = Listener(), Listener()
    far.tunnelMade = lambda tunnel: tunnel.message("welcome")
    client, server = contexts
    Connection(
        over_tls(client, TunnelProtocol(Side.B, near, clock), clock, is_client=True),
        over_tls(server, TunnelProtocol(Side.A, far, clock), clock, is_client=False),
        clock,
    )
    assert near.messages == ["welcome"]


def test_a_tunnel_over_tls_carries_and_closes(over):
    near = HalfCloseable()
    over.device.open("net").attach(near)
    near.transport.write(bytes(1_000_000))
    over.device.message("bye")
    over.device.loseConnection()
    over.pump()
    assert len(over.served.data) == 1_000_000
    assert over.far.messages == ["bye"]
    assert over.near.lost.check(error.ConnectionDone)
    assert over.far.lost.check(error.ConnectionDone)
    assert over.served.lost.check(TunnelLostError)
    assert not over.connection.clock.getDelayedCalls()


def test_a_tunnel_over_tls_closes_though_a_consumer_is_paused(over):
    near = HalfCloseable()
    over.device.open("net").attach(near)
    over.pump()
    near.transport.pauseProducing()
    over.served.transport.write(bytes(1_000_000))
    over.pump()
    assert not over.connection.ends[0].reading
    over.device.loseConnection()
    over.pump()
    assert over.near.lost.check(error.ConnectionDone)


def test_back_pressure_passes_through_tls(over):
    near = HalfCloseable()
    over.device.open("net").attach(near)
    over.pump()
    over.connection.ends[1].pauseProducing()
    near.transport.write(bytes(5_000_000))
    over.pump()
    assert over.device.core.waiting_bytes(2) > 4_000_000
    over.connection.ends[1].resumeProducing()
    over.pump()
    assert len(over.served.data) == 5_000_000


def test_a_failed_handshake_is_the_tunnels_end(contexts):
    clock = Clock()
    near, far = Listener(), Listener()
    client = client_that_trusts(trustme.CA())
    Connection(
        over_tls(client, TunnelProtocol(Side.B, near, clock), clock, is_client=True),
        over_tls(contexts[1], TunnelProtocol(Side.A, far, clock), clock, is_client=False),
        clock,
    )
    assert near.calls == far.calls == ["made", "lost"]
    assert near.lost.check(SSL.Error)


def test_a_tunnel_over_tls_that_ends_inside_a_frame_is_the_peers_fault(over):
    over.device.transport.write(b"\x00\x05\x00")
    over.pump()
    over.connection.ends[0].loseConnection()  # a FIN, and no close_notify
    over.pump()
    assert over.far.lost.check(RemoteError)
    assert "ends inside a frame" in over.far.lost.getErrorMessage()


def test_a_tunnel_over_tls_that_breaks_inside_a_frame_is_nobodys_fault(over):
    over.device.transport.write(b"\x00\x05\x00")
    over.pump()
    over.connection.cut()
    assert over.far.lost.check(error.ConnectionLost)


def test_what_is_not_tls_is_told_as_that_however_tcp_ends_behind_it(over):
    over.device.transport.write(b"\x00\x05\x00")
    over.pump()
    over.connection.ends[0].write(NOT_TLS)
    over.pump()
    assert over.far.lost.check(SSL.Error)


def test_what_is_written_when_tls_is_over_is_passed_over(secured):
    def write_in_vain(_data):
        transport = secured.near.transport
        transport.getHandle().shutdown()
        transport.write(bytes(70_000))  # this finds out
        transport.write(bytes(70_000))

    secured.near.dataReceived = write_in_vain
    secured.far.transport.write(b"a question")
    secured.pump()
    assert secured.near.lost.check(SSL.Error)
    assert secured.far.data == b""


def test_a_write_that_tls_refuses_is_the_connections_end(secured):
    handle = secured.near.transport.getHandle()
    give_bios(handle)
    handle.shutdown()
    secured.near.transport.write(bytes(70_000))
    secured.pump()
    assert secured.near.lost.check(SSL.Error)


def test_spaced_data_is_framed_in_its_buffer_and_sent_at_once(over):
    near = HalfCloseable()
    over.device.open("net").attach(near)
    over.pump()
    data, buffer = spaced(b"d" * 100_000)
    assert near.transport.write(data) == 0
    assert over.connection.ends[0].sent
    assert bytes(buffer[:5]) == b"\xff\xfe\x00\x02\x00"  # a header
    buffer[:] = bytes(len(buffer))
    over.pump()
    assert over.served.data == b"d" * 100_000


def test_spaced_data_is_queued_and_copied_while_anything_waits(over):
    near = HalfCloseable()
    over.device.open("net").attach(near)
    over.pump()
    over.connection.ends[1].pauseProducing()
    near.transport.write(b"a" * 5_000_000)
    data, buffer = spaced(b"d" * 100_000)
    assert near.transport.write(data) > 100_000
    buffer[:] = bytes(len(buffer))
    over.connection.ends[1].resumeProducing()
    over.pump()
    assert over.served.data == b"a" * 5_000_000 + b"d" * 100_000


def test_spaced_data_is_queued_as_soon_as_the_transport_is_full(over):
    near = HalfCloseable()
    over.device.open("net").attach(near)
    over.pump()
    over.connection.ends[1].pauseProducing()
    waiting = [near.transport.write(spaced(b"d" * 100_000)[0]) for _ in range(20)]
    assert (waiting[0], waiting[-1] > 1_000_000) == (0, True)
    over.connection.ends[1].resumeProducing()
    over.pump()
    assert over.served.data == b"d" * 2_000_000


def test_spaced_data_needs_no_tls():
    tunnels = Tunnels()
    near, far = tunnels.open(HalfCloseable())
    near.transport.write(spaced(b"d" * 100_000)[0])
    tunnels.pump()
    assert far.data == b"d" * 100_000


def test_a_view_is_sent_behind_small_pieces_of_the_turn_and_not_after_the_end(contexts):
    connection, near, far = connected(contexts)
    near.transport.write(b"first ")
    near.transport.write_view(memoryview(b"second"))
    near.transport.loseConnection()
    near.transport.write_view(memoryview(b"too late"))
    connection.pump()
    assert far.data == b"first second"


def test_what_a_turn_has_written_is_dropped_if_tls_breaks_in_it(contexts):
    connection, near, far = connected(contexts)
    near.transport.write(b"in vain")
    near.transport.dataReceived(NOT_TLS)
    connection.pump()
    assert near.lost.check(SSL.Error)
    assert far.data == b""


def test_a_view_that_waits_for_the_handshake_is_a_copy(contexts):
    class Early(Plain):
        def makeConnection(self, transport):
            super().makeConnection(transport)
            data = bytearray(b"early")
            transport.write_view(memoryview(data))
            data[:] = b"wrong"

    client, server = contexts
    clock, far = Clock(), Plain()
    connection = Connection(
        over_tls(client, Early(), clock, is_client=True),
        over_tls(server, far, clock, is_client=False),
        clock,
    )
    connection.pump()
    assert far.data == b"early"


def records(data):
    """How many TLS records these bytes are."""
    count = 0
    while data:
        data = data[5 + int.from_bytes(data[3:5], "big") :]
        count += 1
    return count


def test_small_pieces_of_one_turn_are_one_record(over):
    for _ in range(100):
        over.device.transport.write(b"\x00\x02\x00\x00{}"[:2])
    over.connection.clock.advance(0)
    assert records(over.connection.ends[0].sent) == 1


def test_much_is_encrypted_at_once_in_its_order(over):
    over.device.transport.write(b"first")
    over.device.transport.write(bytes(MAX_UNSEALED_BYTES))
    assert len(over.connection.ends[0].sent) > MAX_UNSEALED_BYTES
    with pytest.raises(TypeError):
        over.device.transport.write("text")


def test_what_is_written_before_a_close_is_sent_also_if_a_producer_delays_the_close(contexts):
    connection, near, far = connected(contexts)
    producer = Producer(near.transport, pieces=0)
    near.transport.loseConnection()
    near.transport.write(b"last words")
    near.transport.unregisterProducer()
    near.transport.write(b"too late")
    connection.pump()
    assert far.data == b"last words"
    assert not producer.calls


# --- the memory of quiet connections


def keeps_bios(plain):
    return has_bio_to_read(plain.transport.getHandle())


def exchange(secured, times=1):
    for _ in range(times):
        secured.near.transport.write(b"ping")
        secured.pump()
        secured.far.transport.write(b"pong")
        secured.pump()


def test_a_quiet_connection_keeps_no_bios(secured):
    exchange(secured, QUIET_WRITES)
    assert secured.near.data == b"pong" * QUIET_WRITES
    assert not keeps_bios(secured.near)
    assert not keeps_bios(secured.far)


def test_a_busy_connection_keeps_its_bios_until_it_settles(secured):
    exchange(secured, QUIET_WRITES + 1)
    assert keeps_bios(secured.near)
    secured.near.transport.settle()
    assert not keeps_bios(secured.near)
    exchange(secured)
    assert secured.near.data == b"pong" * (QUIET_WRITES + 2)
    assert not keeps_bios(secured.near)


def test_a_quiet_connection_ends_in_order(secured):
    secured.near.transport.loseConnection()
    secured.pump()
    assert secured.far.lost.check(error.ConnectionDone)
    assert secured.near.lost.check(error.ConnectionDone)


def test_a_quiet_connection_may_be_aborted_after_it_was_closed(secured):
    secured.near.transport.loseConnection()
    secured.near.transport.abortConnection()
    secured.pump()
    assert secured.far.lost
    assert secured.near.lost


def test_a_connection_that_is_lost_does_not_settle(secured):
    transport = secured.near.transport
    transport.abortConnection()
    secured.pump()
    transport.settle()
    assert secured.near.lost


def test_a_quiet_connection_may_be_lost_inside_a_delivery(contexts):
    connection, near, far = connected(contexts)
    lose = connection.ends[0].lose
    near.dataReceived = lambda _data: lose(error.ConnectionAborted())
    far.transport.write(b"the last")
    connection.pump()
    assert near.lost.check(error.ConnectionLost)
    assert far.lost is None


# --- how TLS ends


@implementer(IPushProducer)
class Producer:
    """Writes until it is paused; records the calls it gets."""

    def __init__(self, consumer, pieces=100):
        self.calls = []
        self._consumer = consumer
        self._pieces = pieces
        consumer.registerProducer(self, True)
        self.produce()

    def produce(self):
        while self._pieces and self.calls[-1:] != ["pause"]:
            self._pieces -= 1
            self._consumer.write(bytes(10_000))

    def pauseProducing(self):
        self.calls.append("pause")

    def resumeProducing(self):
        self.calls.append("resume")
        self.produce()

    def stopProducing(self):
        self.calls.append("stop")


def test_a_protocol_that_aborts_gets_no_more_of_the_same_read(contexts):
    class Aborts(Plain):
        def dataReceived(self, data):
            super().dataReceived(data)
            self.transport.abortConnection()

    client, server = contexts
    clock, near, far = Clock(), Plain(), Aborts()
    connection = Connection(
        over_tls(client, near, clock, is_client=True),
        over_tls(server, far, clock, is_client=False),
        clock,
    )
    near.transport.write(bytes(3 * ROOM_BYTES))
    connection.pump()
    assert far.calls == ["made", "data", "lost"]
    assert 0 < len(far.data) <= ROOM_BYTES


class Ending:
    """A peer whose TLS is over while this side still has something to send."""

    def __init__(self, contexts, pieces):
        client, server = contexts
        self.clock = Clock()
        self.near, self.far = Plain(), Plain()
        self.connection = Connection(
            over_tls(client, self.near, self.clock, is_client=True),
            over_tls(server, self.far, self.clock, is_client=False),
            self.clock,
        )
        self.near_end, self.far_end = self.connection.ends
        self.near_end.pauseProducing()
        self.producer = Producer(self.far.transport, pieces)
        self.near.transport._shutdownTLS()  # its close_notify; TCP below goes on
        self.connection.pump()


@pytest.mark.parametrize("pieces", [0, 100])
def test_when_tls_is_over_tcp_closes_and_the_producer_above_stays_paused(contexts, pieces):
    ending = Ending(contexts, pieces)
    ending.near_end.resumeProducing()
    ending.connection.pump()
    assert ending.far.lost.check(error.ConnectionDone)
    assert ending.producer.calls == ["pause"]
    assert not ending.clock.getDelayedCalls()


def test_when_tls_is_over_tcp_has_so_long_for_its_last_bytes(contexts):
    ending = Ending(contexts, pieces=100)
    ending.clock.advance(LAST_BYTES_S - 1)
    ending.connection.pump()
    assert ending.far.lost is None
    ending.clock.advance(1)
    ending.connection.pump()
    assert ending.far_end.aborted
    assert ending.far.lost.check(error.ConnectionAborted)
    assert not ending.clock.getDelayedCalls()


def test_when_tcp_is_lost_below_tls_nothing_is_waited_for(over):
    over.connection.cut(error.ConnectionDone())
    assert over.near.lost.check(error.ConnectionLost)
    assert not over.connection.clock.getDelayedCalls()


def under_tls(tcp_reason):
    transport = TLSTransport.__new__(TLSTransport)
    transport.tcp_reason = None if tcp_reason is None else Failure(tcp_reason)
    return transport


@pytest.mark.parametrize(
    ("reason", "transport", "by_fin"),
    [
        (error.ConnectionDone(), None, True),
        (error.ConnectionDone(), under_tls(error.ConnectionDone()), True),
        (error.ConnectionLost(), under_tls(error.ConnectionDone()), True),
        (error.ConnectionLost(), under_tls(error.ConnectionLost()), False),
        (error.ConnectionLost(), under_tls(None), False),
        (error.ConnectionLost(), None, False),
        (SSL.Error(), under_tls(error.ConnectionDone()), False),
        (error.ConnectionAborted(), under_tls(error.ConnectionAborted()), False),
    ],
)
def test_an_end_by_fin_is_told_from_all_others(reason, transport, by_fin):
    assert ended_by_fin(Failure(reason), transport) is by_fin
