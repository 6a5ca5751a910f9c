"""The emulated chip's sockets, and each of their quirks on and off."""

import pytest
from twisted.internet import error

from support.emulated_chip import PEER, Emulated, but, ideal_but
from support.fake_air import HOME
from tessel.cc3000.hci import netapp, sockets
from tessel.cc3000.hci.codes import Code, EventOpcode, Option, SocketKind
from tessel.cc3000.hci.events import FreeBuffers, SendFailed, unsolicited
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.replies import Selected
from tessel.emulator.peer_connection import LINGER_S
from tessel.emulator.quirks import IDEAL
from tessel.emulator.socket_commands import MOST_CLOSING

STREAM, DATAGRAM = SocketKind.STREAM, SocketKind.DATAGRAM


# Numbers and limits.


def test_the_lowest_free_number_is_given_out_and_the_fifth_socket_refused():
    chip = Emulated()
    assert [chip.socket() for _ in range(5)] == [0, 1, 2, 3, Code.NO_MORE_SOCKETS]
    assert chip.host.call(sockets.CloseSocket(1)).value == 0
    assert chip.socket(DATAGRAM) == 1


def test_how_many_sockets_and_with_what_code_the_next_is_refused_can_be_chosen():
    chip = Emulated(but(sockets=2, no_socket_code=Code.FAILED))
    assert [chip.socket() for _ in range(3)] == [0, 1, Code.FAILED]


def test_there_is_no_socket_without_an_address_and_none_of_ipv6_or_raw():
    chip = Emulated(joined=False)
    chip.host.boot()
    assert chip.socket() == Code.FAILED
    online = Emulated()
    assert online.host.call(sockets.OpenSocket(family=10)).value == Code.NOT_SUPPORTED
    assert online.socket(3) == Code.NOT_SUPPORTED


@pytest.mark.parametrize(
    "command",
    [
        sockets.Bind(3, PEER),
        sockets.Connect(3, PEER),
        sockets.Listen(3),
        sockets.SetSocketOption(3, Option.RECV_NONBLOCK, b"\0"),
    ],
)
def test_a_socket_that_was_never_opened_is_not_found(command):
    assert Emulated().host.call(command).value == Code.NO_SUCH_SOCKET


def test_what_is_done_to_no_socket_fails():
    chip = Emulated()
    assert chip.host.call(sockets.CloseSocket(3)).value == Code.INACTIVE
    assert chip.host.call(sockets.Accept(3)).new_sd == Code.FAILED
    assert chip.receive(3) == (Code.INACTIVE, b"")
    assert chip.send(3) == 1
    assert chip.opcodes() == [EventOpcode.SENT]
    chip.machine.advance(0.1)
    assert chip.opcodes() == [EventOpcode.FREE_BUFFERS]


# Options.


def test_options_are_kept_and_unknown_ones_refused():
    chip = Emulated()
    sd = chip.socket()
    timeout = sockets.SetSocketOption(sd, Option.RECV_TIMEOUT_MS, (250).to_bytes(4, "little"))
    assert chip.host.call(timeout).value == 0
    assert chip.host.call(sockets.GetSocketOption(sd, Option.RECV_TIMEOUT_MS)).value == 250
    no_delay = sockets.SetSocketOption(sd, 0x4000, b"\1\0\0\0")
    assert chip.host.call(no_delay).value == Code.FAILED
    assert chip.host.call(sockets.GetSocketOption(sd, 0x4000)).value == 0


@pytest.mark.parametrize(("quirks", "answer"), [(but(), 0x087B63), (IDEAL, 0)])
def test_an_option_of_two_bytes_is_answered_with_garbage_as_by_a_real_chip(quirks, answer):
    chip = Emulated(quirks)
    option = sockets.SetSocketOption(chip.socket(), Option.ACCEPT_NONBLOCK, b"\0\0")
    assert chip.host.call(option).value == answer


@pytest.mark.parametrize("nagle", [True, False])
def test_nagles_algorithm_is_not_the_hosts_to_choose(nagle):
    _, transport = Emulated(but(nagle=nagle)).connected()
    assert transport.no_delay is not nagle


# Connecting.


def test_connecting_keeps_all_else_waiting_until_the_peer_answers():
    chip = Emulated()
    sd = chip.socket()
    connect = sockets.Connect(sd, PEER)
    assert chip.host.call(connect) is None
    opened = sockets.OpenSocket()
    assert chip.host.call(opened) is None
    assert chip.machine.tcpClients[0][:2] == ("192.0.2.7", 80)
    chip.machine.answer_dial()
    assert chip.host.answer_to(connect).value == 0
    assert chip.host.answer_to(opened).value == 1


def test_an_ideal_chip_does_several_things_at_once():
    chip = Emulated(IDEAL)
    sd = chip.socket()
    assert chip.host.call(sockets.Connect(sd, PEER)) is None
    assert chip.socket() == 1


@pytest.mark.parametrize(
    ("quirks", "fault", "code"),
    [
        (but(), error.ConnectionRefusedError(), Code.FAILED),
        (but(), error.TimeoutError(), Code.FAILED),
        (but(connect_failed_code=0), error.ConnectionRefusedError(), Code.TCP_OPEN_FAILED),
        (but(connect_failed_code=0), error.TimeoutError(), Code.TIMED_OUT),
    ],
)
def test_a_failed_connection_reports_little(quirks, fault, code):
    chip = Emulated(quirks)
    connect = sockets.Connect(chip.socket(), PEER)
    chip.host.begin(connect)
    chip.machine.refuse_dial(fault)
    assert chip.host.answer_to(connect).value == code
    assert chip.machine.tcpClients[0][3] == quirks.connect_timeout_s


def test_closing_what_is_being_connected_gives_it_up():
    chip = Emulated(IDEAL)
    connect = sockets.Connect(chip.socket(), PEER)
    chip.host.begin(connect)
    assert chip.host.call(connect).value == Code.SOCKET_EXISTS
    close = sockets.CloseSocket(0)
    chip.host.begin(close)
    assert chip.host.answer_to(connect).value == Code.FAILED
    assert chip.host.answer_to(close).value == 0


def test_of_many_closed_sockets_whose_peers_take_nothing_the_oldest_is_cut():
    chip = Emulated(but(buffers=200, inactivity_s=0))
    transports = []
    for _ in range(MOST_CLOSING + 1):
        sd, transport = chip.connected()
        transport.stuck = True
        chip.send(sd)
        chip.host.call(sockets.CloseSocket(sd))
        transports.append(transport)
    assert [transport.aborted for transport in transports] == [True, *[False] * MOST_CLOSING]


def test_a_socket_is_connected_once():
    chip = Emulated()
    sd, _ = chip.connected()
    assert chip.host.call(sockets.Connect(sd, PEER)).value == Code.SOCKET_EXISTS
    assert chip.host.call(sockets.Listen(sd)).value == Code.SOCKET_EXISTS


def test_a_bound_socket_dials_from_its_port():
    chip = Emulated()
    sd = chip.socket()
    chip.host.call(sockets.Bind(sd, SocketAddress(port=4000)))
    chip.host.begin(sockets.Connect(sd, PEER))
    assert chip.machine.tcpClients[0][4] == ("", 4000)


# Sending.


def test_a_send_is_answered_before_the_peer_has_it():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    assert chip.send(sd, b"hello") == 5
    assert transport.value() == b"hello"
    assert EventOpcode.FREE_BUFFERS not in chip.opcodes()


def freed(chip):
    """Buffers that came back by themselves."""
    chip.host.settle()
    events, chip.host.events = chip.host.events, []
    told = [unsolicited(event) for event in events]
    return sum(
        count for event in told if isinstance(event, FreeBuffers) for _, count in event.freed
    )


def test_free_buffers_are_reported_late_when_the_host_does_nothing():
    chip = Emulated()
    sd, _ = chip.connected()
    chip.send(sd)
    chip.send(sd)
    assert freed(chip) == 1  # the first, told at the second
    chip.machine.advance(0.1)
    assert freed(chip) == 1


def test_free_buffers_come_between_a_select_and_its_answer():
    chip = Emulated()
    sd, _ = chip.connected()
    chip.send(sd)
    chip.host.settle(1)
    chip.host.events.clear()
    chip.host.begin(sockets.Select(1, 0, 1 << sd))
    chip.host.settle(2)
    assert chip.host.opcodes() == [EventOpcode.FREE_BUFFERS, sockets.Select.ANSWER]


def test_an_ideal_chip_reports_free_buffers_at_once():
    chip = Emulated(IDEAL)
    sd, _ = chip.connected()
    chip.send(sd)
    assert freed(chip) == 1


def test_a_select_for_writing_waits_for_a_buffer_and_hears_of_it_at_once():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    for _ in range(6):
        chip.send(sd)
    select = sockets.Select(1, 0, 1 << sd, 0, None)
    assert chip.host.call(select) is None
    transport.stuck = False
    transport.flush()
    assert chip.host.answer_to(select).writable == 1 << sd
    assert chip.host.opcodes() == [EventOpcode.FREE_BUFFERS]


def test_sending_without_a_buffer_stops_the_chip_for_good():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    for _ in range(6):
        assert chip.send(sd) == 1
    assert chip.host.call(sockets.Send(sd, b"x")) is None
    assert chip.host.call(sockets.OpenSocket()) is None
    chip.chip.power(on=False)
    assert chip.host.boot() is not None


def test_with_the_quirk_off_such_a_send_is_refused():
    chip = Emulated(but(overrun_wedges=False))
    sd, transport = chip.connected()
    transport.stuck = True
    assert [chip.send(sd) for _ in range(7)][-1] == Code.NO_RESOURCES
    assert chip.host.call(sockets.SendTo(sd, b"x", PEER)).count == Code.NO_RESOURCES


@pytest.mark.parametrize(("quirks", "last"), [(but(), Code.INACTIVE), (IDEAL, 1)])
def test_a_send_to_a_dead_socket_fails_after_the_fact(quirks, last):
    chip = Emulated(quirks)
    sd, transport = chip.connected()
    transport.reset()
    chip.opcodes()
    chip.host.begin(sockets.Send(sd, b"x"))
    chip.host.settle()
    sent = [event for event in chip.host.events if event.opcode == EventOpcode.SENT]
    assert sockets.Send.read_reply(sent[-1]).count == last
    assert len(sent) == 2
    chip.machine.advance(0.1)
    chip.host.settle()
    assert EventOpcode.FREE_BUFFERS in chip.host.opcodes()


# Receiving.


def test_bytes_are_read_in_pieces_and_the_rest_stays():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"abcdef")
    assert chip.receive(sd, 4) == (4, b"abcd")
    assert chip.receive(sd, 4) == (2, b"ef")


def test_no_read_brings_more_than_a_segment():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.protocol.dataReceived(bytes(3000))
    assert chip.receive(sd, 5000)[0] == 1460


def test_an_open_window_is_closed_when_it_is_full_and_opened_again():
    chip = Emulated(but(receive_window=100))
    sd, transport = chip.connected()
    transport.protocol.dataReceived(bytes(100))
    assert transport.producerState == "paused"
    chip.receive(sd, 1)
    assert transport.producerState == "producing"


def test_a_read_without_bytes_waits_as_long_as_its_option_says():
    chip = Emulated(but(empty_read_code=Code.RECV_TIMED_OUT))
    sd, transport = chip.connected()
    receive = sockets.Receive(sd, 10)
    assert chip.host.call(receive) is None
    transport.protocol.dataReceived(b"x")
    assert chip.host.answer_to(receive).count == 1
    chip.host.settle()
    option = sockets.SetSocketOption(sd, Option.RECV_TIMEOUT_MS, (20).to_bytes(4, "little"))
    chip.host.call(option)
    chip.host.begin(receive)
    chip.machine.advance(0.02)
    assert chip.host.answer_to(receive).count == Code.RECV_TIMED_OUT
    chip.impatient(sd)
    assert chip.receive(sd)[0] == Code.RECV_TIMED_OUT


def test_a_socket_that_was_never_connected_is_inactive():
    chip = Emulated()
    assert chip.receive(chip.socket())[0] == Code.INACTIVE


# The peer's end.


def test_the_close_wait_event_comes_before_the_bytes_are_read():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"last words")
    transport.finish()
    assert chip.opcodes() == [EventOpcode.TCP_CLOSE_WAIT]
    assert chip.receive(sd) == (10, b"last words")
    assert chip.receive(sd) == (Code.INACTIVE, b"")
    assert chip.opcodes() == []


def test_of_an_ideal_chip_it_comes_after_them():
    chip = Emulated(ideal_but(closed_read_code=0))
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"last words")
    transport.finish()
    assert chip.opcodes() == []
    assert chip.receive(sd, 4)[0] == 4
    assert chip.receive(sd)[0] == 6
    assert chip.receive(sd) == (0, b"")
    assert chip.opcodes() == [EventOpcode.TCP_CLOSE_WAIT]


@pytest.mark.parametrize("quirks", [but(), but(early_close_wait=False), IDEAL])
def test_a_reset_is_not_reported_as_the_peers_end(quirks):
    chip = Emulated(quirks)
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"not all")
    transport.reset()
    assert chip.receive(sd) == (7, b"not all")
    assert chip.receive(sd) == (Code.INACTIVE, b"")
    assert EventOpcode.TCP_CLOSE_WAIT not in chip.opcodes()


def test_a_reset_of_a_caller_that_waits_is_not_reported_as_its_end():
    chip = Emulated()
    sd = chip.listening()
    caller = chip.machine.call()
    caller.protocol.dataReceived(b"not all")
    caller.reset()
    accepted = chip.host.call(sockets.Accept(sd)).new_sd
    assert chip.receive(accepted) == (7, b"not all")
    assert chip.receive(accepted) == (Code.INACTIVE, b"")
    assert chip.opcodes() == []


@pytest.mark.parametrize("quirks", [but(), IDEAL])
def test_a_reset_with_sends_that_the_peer_did_not_take_is_reported_as_a_failed_send(quirks):
    chip = Emulated(quirks)
    sd, transport = chip.connected()
    transport.stuck = True
    chip.send(sd)
    transport.reset()
    chip.host.settle()
    assert SendFailed(sd) in map(unsolicited, chip.host.events)


def test_a_reset_after_the_peers_end_changes_nothing():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"all")
    transport.finish()
    assert chip.opcodes() == [EventOpcode.TCP_CLOSE_WAIT]
    transport.reset()
    assert chip.receive(sd) == (3, b"all")
    assert chip.opcodes() == []


@pytest.mark.parametrize(("quirks", "data"), [(but(), b""), (IDEAL, b"more")])
def test_after_the_peers_end_a_chip_without_half_close_sends_nothing(quirks, data):
    chip = Emulated(quirks)
    sd, transport = chip.connected()
    transport.finish()
    chip.send(sd, b"more")
    chip.opcodes()
    assert transport.taken == data


def test_a_full_window_and_an_end_do_not_disturb_each_other():
    chip = Emulated(but(receive_window=4))
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"abcd")
    transport.finish()
    assert chip.receive(sd) == (4, b"abcd")
    assert transport.producerState == "paused"


# Closing.


def test_closing_sends_what_was_taken_first():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    chip.send(sd, b"late")
    assert chip.host.call(sockets.CloseSocket(sd)).value == 0
    transport.stuck = False
    transport.flush()
    assert (transport.taken, transport.lost) == (b"late", True)
    chip.machine.advance(0.1)
    assert chip.opcodes() == [EventOpcode.FREE_BUFFERS]


def test_a_peer_that_takes_nothing_is_cut_off_at_last():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    chip.send(sd, b"late")
    chip.host.call(sockets.CloseSocket(sd))
    chip.machine.advance(LINGER_S)
    assert transport.aborted


def test_a_close_gives_the_buffers_back_also_of_what_the_peer_does_not_take():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    for _ in range(5):
        chip.send(sd, b"never")
    chip.host.call(sockets.CloseSocket(sd))
    chip.machine.advance(0.2)
    assert EventOpcode.FREE_BUFFERS in chip.opcodes()
    sd, transport = chip.connected()
    for _ in range(5):
        chip.send(sd, b"next")
    assert transport.taken == b"next" * 5


def test_a_close_may_lose_the_buffers_of_what_was_not_sent():
    chip = Emulated(but(close_leaks_buffers=True))
    sd, transport = chip.connected()
    transport.stuck = True
    chip.send(sd, b"late")
    chip.host.call(sockets.CloseSocket(sd))
    transport.stuck = False
    transport.flush()
    chip.machine.advance(1)
    assert chip.opcodes() == []


def test_closing_what_is_closed_says_so():
    chip = Emulated()
    sd, transport = chip.connected()
    transport.reset()
    assert chip.host.call(sockets.CloseSocket(sd)).value == Code.INACTIVE


# Listening.


def test_a_caller_is_accepted_under_a_number_of_its_own():
    chip = Emulated()
    sd = chip.listening()
    assert chip.host.call(sockets.Accept(sd)).new_sd == Code.PENDING
    transport = chip.machine.call(peer="192.0.2.9", peer_port=5000)
    transport.protocol.dataReceived(b"hello")
    accepted = chip.host.call(sockets.Accept(sd))
    assert (accepted.new_sd, accepted.peer) == (sd + 1, SocketAddress("192.0.2.9", 5000))
    assert chip.receive(accepted.new_sd) == (5, b"hello")


def test_an_accept_may_wait_for_a_caller():
    chip = Emulated()
    sd = chip.listening()
    chip.host.call(sockets.SetSocketOption(sd, Option.ACCEPT_NONBLOCK, b"\1"))
    assert chip.host.call(sockets.Accept(sd)) is None
    chip.machine.call()
    assert chip.host.answer_to(sockets.Accept).new_sd == 1


def test_beyond_the_depth_callers_wait_outside():
    chip = Emulated()
    sd = chip.listening()
    port = chip.machine.ports[0]
    chip.machine.call()
    assert port.paused
    chip.host.call(sockets.Accept(sd))
    assert not port.paused


def test_with_all_sockets_in_use_nobody_can_be_accepted():
    chip = Emulated(but(sockets=1))
    sd = chip.listening()
    chip.machine.call()
    assert chip.select(read=[sd]).readable == 0
    assert chip.host.call(sockets.Accept(sd)).new_sd == Code.PENDING


def test_the_end_of_a_caller_is_reported_when_it_is_accepted():
    chip = Emulated()
    sd = chip.listening()
    chip.machine.call().finish()
    chip.host.call(sockets.Accept(sd))
    assert chip.opcodes() == [EventOpcode.TCP_CLOSE_WAIT]


def test_a_listening_socket_neither_dials_nor_listens_again():
    chip = Emulated()
    sd = chip.listening()
    assert chip.host.call(sockets.Connect(sd, PEER)).value == Code.SOCKET_EXISTS
    assert chip.host.call(sockets.Listen(sd)).value == Code.SOCKET_EXISTS


def test_closing_a_listening_socket_closes_the_port_and_whom_nobody_accepted():
    chip = Emulated()
    sd = chip.listening()
    waiting = chip.machine.call()
    assert chip.host.call(sockets.CloseSocket(sd)).value == 0
    assert chip.machine.ports[0].stopped
    assert waiting.aborted


def test_a_port_is_bound_once_and_may_be_taken_by_this_machine():
    chip = Emulated()
    chip.listening(8080)
    again = sockets.Bind(chip.socket(), SocketAddress(port=8080))
    assert chip.host.call(again).value == Code.SOCKET_EXISTS
    chip.machine.taken_ports.add(8081)
    taken = chip.socket()
    assert chip.host.call(sockets.Bind(taken, SocketAddress(port=8081))).value == 0
    assert chip.host.call(sockets.Listen(taken)).value == Code.FAILED


# Datagrams.


def test_datagrams_come_with_their_senders():
    chip = Emulated()
    sd, port = chip.datagrams()
    port.factory.datagramReceived(b"ping", ("192.0.2.1", 99))
    reply = chip.host.call(sockets.ReceiveFrom(sd, 2))
    chip.host.settle(1)
    arrived = sockets.Arrived.read(chip.host.events[-1])
    assert (reply.count, arrived.data) == (2, b"pi")  # the rest is lost
    assert arrived.sender == SocketAddress("192.0.2.1", 99)


def test_datagrams_beyond_what_the_chip_holds_are_lost():
    chip = Emulated(but(datagrams_held=1))
    sd, port = chip.datagrams()
    chip.impatient(sd)
    port.factory.datagramReceived(b"1", ("192.0.2.1", 99))
    port.factory.datagramReceived(b"2", ("192.0.2.1", 99))
    assert chip.receive(sd)[1] == b"1"
    assert chip.receive(sd) == (0, b"")


def test_an_empty_datagram_is_nothing():
    chip = Emulated()
    sd, port = chip.datagrams()
    port.factory.datagramReceived(b"", ("192.0.2.1", 99))
    assert chip.receive(sd) == (0, b"")


def test_datagrams_are_sent_from_any_port_if_none_was_bound():
    chip = Emulated()
    sd = chip.socket(DATAGRAM)
    assert chip.host.call(sockets.SendTo(sd, b"hi", PEER)).count == 2
    assert chip.machine.udp_ports[0].written == [(b"hi", ("192.0.2.7", 80))]
    assert chip.machine.udp_ports[0].number == 0


@pytest.mark.parametrize("fault", [OSError("no way"), error.MessageLengthError("too long")])
def test_a_datagram_that_this_machine_will_not_carry_is_lost(fault):
    chip = Emulated()
    sd, port = chip.datagrams()
    port.fault = fault
    assert chip.host.call(sockets.SendTo(sd, b"hi", PEER)).count == 2


def test_a_connected_datagram_socket_has_one_peer():
    chip = Emulated()
    sd = chip.socket(DATAGRAM)
    assert chip.host.call(sockets.Connect(sd, PEER)).value == 0
    port = chip.machine.udp_ports[0]
    assert chip.send(sd, b"hi") == 2
    port.factory.datagramReceived(b"stranger", ("192.0.2.1", 99))
    port.factory.datagramReceived(b"peer", (PEER.host, PEER.port))
    assert port.written == [(b"hi", ("192.0.2.7", 80))]
    assert chip.receive(sd)[1] == b"peer"


def test_datagrams_without_a_port_or_a_peer_cannot_be_sent():
    chip = Emulated()
    chip.machine.taken_ports.add(0)
    sd = chip.socket(DATAGRAM)
    assert chip.send(sd) == 1
    assert chip.host.call(sockets.SendTo(sd, b"hi", PEER)).count == Code.INACTIVE
    assert chip.host.call(sockets.Connect(sd, PEER)).value == Code.FAILED
    assert chip.host.call(sockets.Bind(sd, SocketAddress())).value == Code.FAILED


def test_closing_gives_the_port_back():
    chip = Emulated()
    sd, port = chip.datagrams()
    assert chip.host.call(sockets.CloseSocket(sd)).value == 0
    assert port.stopped


# Select.


def test_select_reports_what_is_ready_or_that_time_is_over():
    chip = Emulated()
    sd, transport = chip.connected()
    udp, _ = chip.datagrams()
    assert chip.select(read=[sd, udp]).status == 0
    transport.protocol.dataReceived(b"x")
    ready = chip.select(read=[sd, udp], write=[sd, udp])
    assert (ready.status, ready.readable, ready.writable) == (3, 1 << sd, 1 << sd | 1 << udp)


def test_select_may_wait_for_ever():
    chip = Emulated()
    sd, transport = chip.connected()
    select = sockets.Select(1, 1 << sd, timeout_us=None)
    assert chip.host.call(select) is None
    chip.machine.advance(9)
    assert chip.host.read() is None
    transport.protocol.dataReceived(b"x")
    assert chip.host.answer_to(select).readable == 1 << sd


def test_select_that_is_answered_in_time_leaves_no_timer():
    chip = Emulated(but(inactivity_s=0))
    sd, transport = chip.connected()
    waiting = len(chip.machine.getDelayedCalls())
    select = sockets.Select(1, 1 << sd, timeout_us=1_000_000)
    chip.host.begin(select)
    transport.protocol.dataReceived(b"x")
    assert chip.host.answer_to(select).readable == 1 << sd
    assert len(chip.machine.getDelayedCalls()) == waiting


def test_select_without_patience_answers_at_once():
    chip = Emulated()
    sd, _ = chip.connected()
    assert chip.host.call(sockets.Select(1, 1 << sd, timeout_us=0)).status == 0


@pytest.mark.parametrize("quirks", [but(), but(late_send_failure=False), IDEAL])
@pytest.mark.parametrize("before", [True, False], ids=["before", "meanwhile"])
def test_a_reset_answers_a_select_for_writing_at_once(quirks, before):
    chip = Emulated(quirks)
    sd, transport = chip.connected()
    if before:
        transport.reset()
    select = sockets.Select(1, 0, 1 << sd, timeout_us=10_000_000)
    chip.host.begin(select)
    if not before:
        transport.reset()
    assert chip.host.answer_to(select).writable == 1 << sd


@pytest.mark.parametrize("before", [True, False], ids=["before", "meanwhile"])
def test_the_peers_end_answers_a_select_for_writing_at_once(before):
    chip = Emulated()
    sd, transport = chip.connected()
    transport.stuck = True
    if before:
        transport.finish()
    for _ in range(0 if before else 5):
        chip.send(sd)
    select = sockets.Select(1, 0, 1 << sd, timeout_us=10_000_000)
    chip.host.begin(select)
    if not before:
        transport.finish()
    ready = chip.host.answer_to(select)
    assert (ready.status, ready.writable, ready.exceptional) == (1, 1 << sd, 0)


def test_a_select_never_names_a_socket_for_writing_without_a_buffer_left():
    """A send without a buffer stops the chip, also one to a connection that is over."""
    chip = Emulated()
    stuck, transport = chip.connected()
    over, other = chip.connected()
    transport.stuck = True
    for _ in range(6):
        chip.send(stuck)
    other.reset()
    assert chip.select(write=[over]).writable == 0
    assert chip.select(read=[over]).readable == 1 << over


@pytest.mark.parametrize("end", ["reset", "finish"])
def test_an_ended_connection_is_readable_before_and_after_its_bytes_are_read(end):
    chip = Emulated()
    sd, transport = chip.connected()
    transport.protocol.dataReceived(b"x")
    getattr(transport, end)()
    assert chip.select(read=[sd]).readable == 1 << sd
    assert chip.receive(sd) == (1, b"x")
    assert chip.select(read=[sd]).readable == 1 << sd
    assert chip.receive(sd) == (Code.INACTIVE, b"")


def test_a_chip_that_half_closes_is_ready_for_writing_as_long_as_it_has_room():
    chip = Emulated(ideal_but(buffers=2))
    sd, transport = chip.connected()
    transport.finish()
    assert chip.select(write=[sd]).writable == 1 << sd
    transport.stuck = True
    chip.send(sd)
    chip.send(sd)
    assert chip.select(write=[sd]).writable == 0


@pytest.mark.parametrize(
    ("happens", "exceptional"),
    [("reset", True), ("finish", False), (None, False)],
)
def test_the_exceptional_set_names_what_was_cut_and_nothing_else(happens, exceptional):
    chip = Emulated()
    sd, transport = chip.connected()
    if happens:
        getattr(transport, happens)()
    ready = chip.select(other=[sd])
    assert (ready.status, ready.exceptional) == (int(exceptional), exceptional << sd)


def test_the_exceptional_set_names_what_was_cut_with_the_link():
    chip = Emulated()
    sd, _ = chip.connected()
    udp, _ = chip.datagrams()
    chip.air.vanish(HOME)
    ready = chip.select(read=[sd, udp], write=[sd, udp], other=[sd, udp])
    both = 1 << sd | 1 << udp
    assert (ready.readable, ready.writable, ready.exceptional) == (both, both, both)


def test_a_closed_number_is_ready_for_all_since_every_call_fails_at_once():
    chip = Emulated()
    sd, _ = chip.connected()
    chip.host.call(sockets.CloseSocket(sd))
    bit = 1 << sd
    ready = chip.select(read=[sd], write=[sd], other=[sd], timeout_us=10_000_000)
    assert ready == Selected(3, bit, bit, bit)
    assert chip.socket() == sd
    assert chip.select(other=[sd]).exceptional == 0


def test_a_number_that_never_was_a_sockets_is_ignored():
    assert Emulated().select(read=[7], write=[7], other=[7]).status == 0


def test_a_socket_that_was_never_connected_is_ready_since_every_call_fails_at_once():
    chip = Emulated()
    sd = chip.socket()
    ready = chip.select(read=[sd], write=[sd], other=[sd])
    assert (ready.readable, ready.writable, ready.exceptional) == (1 << sd, 1 << sd, 0)


def test_a_socket_that_is_being_connected_is_ready_for_writing_once_it_is():
    chip = Emulated(IDEAL)
    sd = chip.socket()
    chip.host.begin(sockets.Connect(sd, PEER))
    select = sockets.Select(1, 1 << sd, 1 << sd, timeout_us=10_000_000)
    assert chip.host.call(select) is None
    chip.machine.answer_dial()
    ready = chip.host.answer_to(select)
    assert (ready.readable, ready.writable) == (0, 1 << sd)


@pytest.mark.parametrize("quirks", [but(), IDEAL])
def test_a_listening_socket_is_readable_with_a_caller_and_never_writable(quirks):
    chip = Emulated(quirks)
    sd = chip.listening()
    assert chip.select(read=[sd], write=[sd], other=[sd]).status == 0
    chip.machine.call()
    ready = chip.select(read=[sd], write=[sd], other=[sd])
    assert (ready.status, ready.readable) == (1, 1 << sd)


# Addresses at which nobody is.

OWN = HOME.lease.address
NOBODYS = [
    OWN,
    "0.0.0.0",
    "0.1.2.3",
    "10.10.220.255",
    "10.10.220.0",
    "255.255.255.255",
    "224.0.0.1",
]


@pytest.mark.parametrize("quirks", [but(), but(connect_failed_code=0), IDEAL])
@pytest.mark.parametrize("host", NOBODYS)
def test_a_connect_to_the_chips_own_address_or_to_all_fails_inside_the_chip(host, quirks):
    chip = Emulated(quirks)
    reply = chip.host.call(sockets.Connect(chip.socket(), SocketAddress(host, 80)))
    assert reply.value == (quirks.connect_failed_code or Code.TCP_OPEN_FAILED)
    assert chip.machine.tcpClients == []
    sd, _ = chip.connected()
    assert chip.send(sd) == 1


@pytest.mark.parametrize("host", [one for one in NOBODYS if not one.startswith(("255", "224"))])
def test_a_datagram_to_the_chips_own_address_does_not_leave_the_chip(host):
    chip = Emulated()
    sd, _ = chip.datagrams()
    to = SocketAddress(host, 7000)
    assert chip.host.call(sockets.SendTo(sd, b"hi", to)).count == 2
    other = chip.socket(DATAGRAM)
    assert chip.host.call(sockets.Connect(other, to)).value == 0
    assert chip.send(other, b"hi") == 2
    assert [port.written for port in chip.machine.udp_ports] == [[], []]
    chip.machine.advance(0.2)
    assert freed(chip) == 2
    assert chip.select(read=[sd, other]).status == 0


@pytest.mark.parametrize("host", ["255.255.255.255", "224.0.0.251"])
def test_a_datagram_to_all_leaves_the_chip(host):
    chip = Emulated()
    sd, port = chip.datagrams()
    chip.host.call(sockets.SendTo(sd, b"hi", SocketAddress(host, 7000)))
    assert port.written == [(b"hi", (host, 7000))]


def test_a_static_address_is_the_chips_own_and_the_old_one_is_not_any_more():
    chip = Emulated()
    chip.host.call(netapp.SetAddress("192.0.2.50", "255.255.255.0", "192.0.2.1", "192.0.2.1"))
    chip.host.settle()
    sd = chip.socket()
    own = sockets.Connect(sd, SocketAddress("192.0.2.50", 80))
    assert chip.host.call(own).value == Code.FAILED
    chip.host.begin(sockets.Connect(sd, SocketAddress(OWN, 80)))
    assert chip.machine.tcpClients[0][:2] == (OWN, 80)


# The inactivity timer.


def test_a_socket_that_is_not_used_is_closed_after_a_minute():
    chip = Emulated()
    sd, transport = chip.connected()
    chip.machine.advance(30)
    chip.send(sd)
    chip.opcodes()
    chip.machine.advance(59)
    assert chip.select(write=[sd]).writable
    chip.machine.advance(1)
    assert transport.disconnecting
    assert chip.select(read=[sd], other=[sd]).exceptional == 1 << sd
    assert chip.receive(sd) == (Code.INACTIVE, b"")
    assert chip.host.call(sockets.CloseSocket(sd)).value == Code.INACTIVE


def test_a_listening_socket_is_closed_too():
    chip = Emulated()
    sd = chip.listening()
    chip.machine.advance(61)
    assert chip.machine.ports[0].stopped
    assert chip.host.call(sockets.Accept(sd)).new_sd == Code.FAILED
    assert chip.host.call(sockets.Listen(sd)).value == Code.SOCKET_EXISTS
