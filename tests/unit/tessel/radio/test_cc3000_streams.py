"""Connections of the radio: bytes, ends, back pressure, and the chip's few buffers."""

import pytest
from twisted.internet import error

from support.chip_radio import Radio, Talk
from support.emulated_chip import but
from support.fake_air import HOME
from tessel.cc3000.errors import CommandError
from tessel.cc3000.netapp import Timers
from tessel.cc3000.spi import ReadStyle
from tessel.emulator.quirks import IDEAL
from tessel.radio.cc3000 import TransferSizes
from tessel.radio.cc3000.outgoing import WRITE_BUFFER
from tessel.radio.cc3000.poll import LEAK_TIMEOUT_S
from tessel.radio.cc3000.stream import LINGER_S
from tessel.radio.cc3000.supervisor import AGAIN_BASE_S


@pytest.fixture
def ours():
    return Radio()


def test_a_connection_carries_bytes_both_ways_and_says_who_is_where(ours):
    talk, peer = ours.connected()
    assert ours.radio.connections_opened == 1
    assert talk.transport.getPeer().host == "192.0.2.7"
    assert talk.transport.getHost().host == HOME.lease.address
    talk.transport.writeSequence([b"GET ", b"/"])
    peer.protocol.dataReceived(b"200 OK")
    ours.settle(0.1)
    assert peer.taken == b"GET /"
    assert talk.received == b"200 OK"


def test_what_is_asked_for_that_the_chip_lacks_changes_nothing(ours):
    transport = ours.connected()[0].transport
    transport.setTcpNoDelay(True)
    transport.setTcpKeepAlive(True)
    assert not transport.getTcpNoDelay()
    assert not transport.getTcpKeepAlive()


def test_the_peers_end_comes_behind_what_it_sent(ours):
    talk, peer = ours.connected()
    talk.transport.pauseProducing()
    peer.protocol.dataReceived(b"x" * 4000)
    peer.finish()
    ours.settle(0.1)
    assert (talk.received, talk.lost) == (b"", None)
    talk.transport.resumeProducing()
    ours.settle(0.1)
    assert len(talk.received) == 4000
    assert isinstance(talk.lost, error.ConnectionDone)


def test_what_came_while_it_was_paused_in_between_is_kept(ours):
    talk, peer = ours.connected()

    class Paused(Talk):
        def dataReceived(self, data):
            super().dataReceived(data)
            talk.transport.pauseProducing()

    paused = Paused()
    talk.transport.protocol = paused
    peer.protocol.dataReceived(b"x" * 4000)
    ours.settle(0.1)
    assert len(paused.received) == 1460
    for _ in range(4):
        talk.transport.resumeProducing()
        ours.settle(0.05)
    assert len(paused.received) == 4000


@pytest.mark.parametrize("close", ["loseConnection", "loseWriteConnection", "stopProducing"])
def test_a_close_comes_behind_what_was_written(ours, close):
    talk, peer = ours.connected()
    talk.transport.write(b"y" * 10_000)
    getattr(talk.transport, close)()
    ours.settle(0.3)
    assert peer.taken == b"y" * 10_000
    assert peer.lost
    assert isinstance(talk.lost, error.ConnectionDone)


def test_a_close_does_not_wait_for_ever_for_what_nobody_takes(ours):
    talk, peer = ours.connected()
    peer.stuck = True
    talk.transport.write(b"y")
    talk.transport.loseConnection()
    ours.settle(LINGER_S - 1)
    assert talk.lost is None
    ours.settle(1.2)
    assert isinstance(talk.lost, error.ConnectionDone)


def test_an_abort_is_reported_at_once_and_drops_what_was_written(ours):
    talk, peer = ours.connected()
    peer.stuck = True
    talk.transport.write(b"y" * 100_000)
    talk.transport.abortConnection()
    talk.transport.abortConnection()
    assert talk.lost is None  # not from inside the call
    ours.machine.advance(0)
    assert isinstance(talk.lost, error.ConnectionAborted)
    talk.transport = None
    for _ in range(4):
        ours.connected()


def test_a_socket_that_the_chip_closes_by_itself_is_lost_and_not_done():
    ours = Radio()
    ours.now(ours.chip.netapp.set_timers(Timers(inactivity_s=20)))
    talk, _ = ours.connected()
    # Reading polls do not count as activity.
    ours.machine.pump([0.01] * 2500)
    assert isinstance(talk.lost, error.ConnectionLost)


class Pieces(Talk):
    """Remembers what came at once."""

    def __init__(self):
        super().__init__()
        self.pieces = []

    def dataReceived(self, data):
        super().dataReceived(data)
        self.pieces.append(len(data))


@pytest.mark.parametrize(
    ("data", "pieces"),
    [(400, [400]), (1000, [1000]), (4000, [4000]), (4500, [4000, 500])],
)
@pytest.mark.parametrize("end", [None, "finish", "reset"])
def test_full_reads_follow_each_other_and_are_delivered_in_one_piece(data, pieces, end):
    ours = Radio(but(receive_window=8000), sizes=TransferSizes(read=1000, reads=4))
    talk, peer = ours.connected(Pieces)
    talk.transport.pauseProducing()
    peer.protocol.dataReceived(bytes(data))
    if end:
        getattr(peer, end)()
    talk.transport.resumeProducing()
    ours.settle(0.1)
    assert talk.pieces == pieces
    done = {"finish": error.ConnectionDone, "reset": error.ConnectionLost, None: type(None)}
    assert isinstance(talk.lost, done[end])


def test_one_packet_carries_several_pieces_if_the_chip_bears_it():
    ours = Radio(sizes=TransferSizes(read=512, write=1024, by_packet=True))
    talk, peer = ours.connected(Pieces)
    peer.protocol.dataReceived(bytes(3000))
    talk.transport.write(bytes(3000))
    ours.settle(0.1)
    assert talk.pieces == [1460, 1460, 80]
    assert peer.taken == bytes(3000)


def test_a_full_read_and_no_more_keeps_the_others_for_10_ms_and_no_longer():
    ours = Radio(sizes=TransferSizes(read=1000, reads=4))
    talk, peer = ours.connected()
    other, other_peer = ours.connected()
    peer.protocol.dataReceived(bytes(1000))
    other_peer.protocol.dataReceived(b"x")
    ours.settle(0.06)
    assert (len(talk.received), other.received) == (1000, b"x")


QUIRKS = pytest.mark.parametrize("quirks", [but(), IDEAL], ids=["cc3000", "ideal"])


@QUIRKS
@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize("data", [0, 700, 4000])
def test_a_reset_is_a_loss_behind_what_came_before_it(quirks, data, paused):
    ours = Radio(quirks)
    talk, peer = ours.connected()
    if paused:
        talk.transport.pauseProducing()
    if data:
        peer.protocol.dataReceived(bytes(data))
    peer.reset()
    ours.settle(0.1)
    talk.transport.resumeProducing()
    ours.settle(0.1)
    assert len(talk.received) == data
    assert isinstance(talk.lost, error.ConnectionLost)


@QUIRKS
@pytest.mark.parametrize("closing", [True, False])
def test_a_reset_during_an_upload_is_a_loss_also_of_a_connection_that_closes(quirks, closing):
    ours = Radio(quirks)
    talk, peer = ours.connected()
    peer.stuck = True
    talk.transport.write(bytes(50_000))
    if closing:
        talk.transport.loseConnection()
    ours.settle(0.1)
    peer.reset()
    ours.settle(0.3)
    assert isinstance(talk.lost, error.ConnectionLost)


@QUIRKS
def test_a_reset_after_the_peers_end_leaves_what_it_sent_whole(quirks):
    ours = Radio(quirks)
    talk, peer = ours.connected()
    talk.transport.pauseProducing()
    peer.protocol.dataReceived(bytes(4000))
    peer.finish()
    ours.settle(0.1)
    peer.reset()
    talk.transport.resumeProducing()
    ours.settle(0.1)
    assert len(talk.received) == 4000
    assert isinstance(talk.lost, error.ConnectionDone)


def test_a_write_after_the_peer_was_reset_ends_it(ours):
    talk, peer = ours.connected()
    talk.transport.pauseProducing()
    peer.reset()
    talk.transport.write(b"anybody?")
    ours.settle(0.2)
    talk.transport.resumeProducing()
    ours.settle(0.2)
    assert talk.lost is not None


def test_a_protocol_that_fails_loses_its_connection_alone(ours, logged_failures):
    class Failing(Talk):
        def dataReceived(self, data):
            raise ZeroDivisionError

    talk, peer = ours.connected(Failing)
    other, other_peer = ours.connected()
    peer.protocol.dataReceived(b"x")
    other_peer.protocol.dataReceived(b"x")
    ours.settle(0.1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert isinstance(talk.lost, ZeroDivisionError)
    assert other.received == b"x"


class Source:
    def __init__(self):
        self.told = []

    def pauseProducing(self):
        self.told.append("pause")

    def resumeProducing(self):
        self.told.append("resume")

    def stopProducing(self):
        self.told.append("stop")


def test_a_producer_is_paused_at_the_limit_and_goes_on_when_all_is_sent(ours):
    talk, peer = ours.connected()
    source = Source()
    talk.transport.registerProducer(source, True)
    with pytest.raises(RuntimeError):
        talk.transport.registerProducer(Source(), True)
    talk.transport.write(bytes(WRITE_BUFFER))
    assert source.told == []
    talk.transport.write(b"x")
    talk.transport.write(b"x")
    assert source.told == ["pause"]
    ours.settle(1)
    assert source.told == ["pause", "resume"]
    assert len(peer.taken) == WRITE_BUFFER + 2
    talk.transport.loseConnection()
    talk.transport.unregisterProducer()
    ours.settle(0.1)
    assert source.told == ["pause", "resume"]
    assert talk.lost is not None


def test_a_pull_producer_is_asked_whenever_all_is_sent(ours):
    talk, _ = ours.connected()
    source = Source()
    talk.transport.registerProducer(source, False)
    assert source.told == ["resume"]
    talk.transport.write(b"x")
    ours.settle(0.1)
    assert source.told == ["resume", "resume"]
    ours.now(ours.radio.power_off())
    assert source.told[-1] == "stop"


def test_a_producer_of_a_lost_connection_is_stopped(ours):
    talk, _ = ours.connected()
    transport = talk.transport
    ours.now(ours.radio.power_off())
    source = Source()
    transport.registerProducer(source, True)
    assert source.told == ["stop"]
    transport.write(b"nobody")
    transport.loseConnection()
    transport.abortConnection()


def test_one_that_is_stuck_leaves_buffers_to_the_others(ours):
    stuck, stuck_peer = ours.connected()
    other, other_peer = ours.connected()
    stuck_peer.stuck = True
    stuck.transport.write(bytes(100_000))
    ours.settle(0.2)
    other.transport.write(b"z" * 20_000)
    ours.settle(2)
    assert len(other_peer.taken) == 20_000


def test_the_chip_is_never_given_more_than_it_has_buffers_for(ours):
    """It would hang, as the emulated one does."""
    pairs = [ours.connected() for _ in range(4)]
    for talk, peer in pairs:
        peer.stuck = True
        talk.transport.write(bytes(20_000))
    ours.settle(1)
    for _, peer in pairs:
        peer.stuck = False
        peer.flush()
    ours.settle(3)
    assert [len(peer.taken) for _, peer in pairs] == [20_000] * 4


def test_an_ideal_chip_does_as_well():
    ours = Radio(IDEAL)
    pairs = [ours.connected() for _ in range(8)]
    for talk, peer in pairs:
        talk.transport.write(b"up")
        peer.protocol.dataReceived(b"down")
    ours.settle(0.2)
    assert {(talk.received, peer.taken) for talk, peer in pairs} == {(b"down", b"up")}


def test_a_chip_that_has_lost_all_its_buffers_is_started_again():
    ours = Radio(but(close_leaks_buffers=True))
    for _ in range(5):
        talk, peer = ours.connected()
        peer.stuck = True
        talk.transport.write(b"never taken")
        ours.settle(0.05)
        talk.transport.abortConnection()
        ours.settle(0.05)
    talk, peer = ours.connected()
    talk.transport.write(b"no buffer for this")
    ours.settle(LEAK_TIMEOUT_S + 0.5)
    assert isinstance(talk.lost, error.ConnectionLost)
    ours.settle(AGAIN_BASE_S + 1)
    talk, peer = ours.connected()
    talk.transport.write(b"as new")
    ours.settle(0.1)
    assert peer.taken == b"as new"


def test_what_a_destroyed_connection_did_not_get_rid_of_keeps_no_other_waiting():
    ours = Radio()
    talk, peer = ours.connected()
    peer.stuck = True
    talk.transport.write(bytes(100_000))
    ours.settle(0.2)
    talk.transport.abortConnection()
    ours.settle(0.2)
    talk, peer = ours.connected()
    talk.transport.write(bytes(20_000))
    ours.settle(1)
    assert (talk.lost, len(peer.taken)) == (None, 20_000)


def test_the_sizes_of_reads_and_writes_can_be_a_tessels():
    ours = Radio(sizes=TransferSizes(read=512, write=1024))
    sizes = []
    original = ours.chip.sockets.send

    async def send(sd, data):
        sizes.append(len(data))
        await original(sd, data)

    ours.chip.sockets.send = send
    talk, peer = ours.connected()
    arrived = []
    talk.dataReceived = lambda data: arrived.append(len(data))
    talk.transport.write(bytes(2500))
    peer.protocol.dataReceived(bytes(1200))
    ours.settle(0.2)
    assert sizes == [1024, 1024, 452]
    assert arrived == [512, 512, 176]


@pytest.mark.parametrize("late", [True, False])
def test_a_write_to_a_socket_that_the_chip_has_closed_cuts_a_paused_connection(late):
    ours = Radio(but(late_send_failure=late))
    ours.now(ours.chip.netapp.set_timers(Timers(inactivity_s=20)))
    talk, _ = ours.connected()
    talk.transport.pauseProducing()
    ours.machine.pump([0.1] * 250)
    assert talk.lost is None
    talk.transport.write(b"anybody?")
    talk.transport.write(b"anybody?")
    ours.settle(0.1)
    assert isinstance(talk.lost, error.ConnectionLost)
    for _ in range(4):
        ours.connected()


def test_a_write_that_the_chip_refuses_cuts_the_connection_behind_what_came(ours):
    talk, peer = ours.connected()

    async def refuse(sd, data):
        raise CommandError("send", -150)

    ours.chip.sockets.send = refuse
    peer.protocol.dataReceived(b"last words")
    talk.transport.write(b"x")
    talk.transport.write(b"y")
    ours.settle(0.1)
    assert talk.received == b"last words"
    assert isinstance(talk.lost, error.ConnectionLost)
    talk.transport = None


def test_a_close_that_the_chip_refuses_is_a_close(ours):
    talk, _ = ours.connected()
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))

    async def refuse(sd):
        raise CommandError("close", -122)

    ours.chip.sockets.close = refuse
    talk.transport.loseConnection()
    assert ours.now(port.stop()) is None
    ours.settle(0.1)
    assert isinstance(talk.lost, error.ConnectionDone)


def test_a_select_that_the_chip_refuses_has_every_socket_looked_at(ours):
    talk, peer = ours.connected()
    calm, _ = ours.connected()

    async def refuse(*_):
        raise CommandError("select", -1)

    ours.chip.sockets.select = refuse
    peer.protocol.dataReceived(b"still read")
    ours.settle(0.2)
    assert talk.received == b"still read"
    assert calm.lost is None


def test_a_round_that_fails_is_reported_and_not_the_last(ours, logged_failures):
    talk, peer = ours.connected()
    select = ours.chip.sockets.select

    async def fail(*_):
        ours.chip.sockets.select = select
        raise ZeroDivisionError

    ours.chip.sockets.select = fail
    peer.protocol.dataReceived(b"later")
    ours.settle(0.1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert talk.received == b"later"


def test_an_abort_while_a_read_is_under_way_delivers_nothing(ours):
    talk, peer = ours.connected()
    receive = ours.chip.sockets.receive

    async def aborted(sd, limit):
        data = await receive(sd, limit)
        talk.transport.abortConnection()
        return data

    ours.chip.sockets.receive = aborted
    peer.protocol.dataReceived(b"too late")
    ours.settle(0.1)
    assert talk.received == b""
    assert isinstance(talk.lost, error.ConnectionAborted)


def test_a_protocol_may_close_and_connect_from_inside_its_callbacks(ours):
    results = []

    class Next(Talk):
        def dataReceived(self, data):
            super().dataReceived(data)
            self.transport.write(b"bye")
            self.transport.loseConnection()
            results.append(ours.dial())

    talk, peer = ours.connected(Next)
    peer.protocol.dataReceived(b"go")
    ours.settle(0.1)
    assert peer.taken == b"bye"
    assert talk.lost is not None
    ours.machine.answer_dial()
    ours.settle(0.1)
    assert isinstance(results[0][0], Talk)


def test_a_host_that_trusts_the_headers_length_gets_on_as_well():
    ours = Radio(on=False)
    ours.chip.driver._link._style = ReadStyle.BY_HEADER
    ours.now(ours.radio.power_on())
    talk, peer = ours.connected()
    peer.protocol.dataReceived(b"odd")
    talk.transport.write(b"even")
    ours.settle(0.1)
    assert (talk.received, peer.taken) == (b"odd", b"even")


@pytest.mark.parametrize("end", ["loseConnection", "abortConnection"])
@pytest.mark.parametrize("turns", range(4))
def test_a_chip_that_is_lost_while_it_closes_is_the_end_as_well(ours, end, turns):
    talk, _ = ours.connected()
    getattr(talk.transport, end)()
    ours.machine.pump([0.001] * turns)
    ours.bus.silent = True
    ours.machine.pump([0.5] * 25)
    assert talk.lost is not None


def test_a_number_that_the_chip_gives_again_is_not_the_old_sockets_any_more(ours):
    talk, _ = ours.connected()
    talk.transport.pauseProducing()
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=1))
    for sd in (talk.transport.sd, port.sd):
        ours.begin(ours.chip.sockets.close(sd))  # behind the radio's back
    first, second = ours.dial(), ours.dial()
    ours.settle(0.02)
    ours.machine.answer_dial()
    ours.settle(0.02)
    ours.machine.answer_dial()
    ours.settle(0.02)
    assert isinstance(talk.lost, error.ConnectionLost)
    assert first[0].transport.sd != second[0].transport.sd
    ours.settle(2)
    assert len(ours.machine.ports) == 2
    assert ours.now(port.stop()) is None
