"""credit/1 on two real cores."""

import pytest

from streamplex import LocalError, PromisesExhaustedError, RemoteError, Side, TunnelCore, Windows
from streamplex.credit import MAX_CREDIT_BYTES
from streamplex.events import (
    CustomReceived,
    DataReceived,
    Fault,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from streamplex.features import CREDIT, REUSE
from streamplex.messages import DATA, encode_json
from streamplex.testing import bytes_of, exchange

SMALL = Windows(first=100, substream_max=400, tunnel_max=1000)


class Pair:
    """A device's and a server's core that agreed on credit, and one substream."""

    def __init__(self, windows=SMALL, peers=SMALL):
        self.device, self.server = TunnelCore(Side.B), TunnelCore(Side.A)
        self.device.enable([CREDIT, REUSE], windows, peers.first)
        self.server.enable([CREDIT, REUSE], peers, windows.first)
        self.channel = self.device.open("net")
        self.carry()

    def carry(self):
        """What the device hears, and what the server does."""
        return exchange(self.device, self.server)


@pytest.fixture
def pair():
    return Pair()


def data_of(heard):
    return b"".join(event.data for event in heard if isinstance(event, DataReceived))


def fault_of(tunnel, data):
    *_, last = tunnel.receive(data)
    assert isinstance(last, Fault)
    return str(last.error)


def data_frame(channel, payload):
    body = channel.to_bytes(2) + bytes([DATA]) + payload
    return len(body).to_bytes(2) + body


# --- what may be sent


def test_no_more_leaves_than_the_peers_window(pair):
    pair.device.send(pair.channel, bytes(250))
    _, heard = pair.carry()
    assert len(data_of(heard)) == 100
    assert not pair.device
    assert pair.device.has_waiting
    assert pair.device.waiting_bytes(pair.channel) == 150


def test_what_is_consumed_may_be_sent_anew(pair):
    pair.device.send(pair.channel, bytes(250))
    pair.carry()
    assert not pair.server.stream(pair.channel).consumed(49, 0.0)
    assert pair.server.stream(pair.channel).consumed(1, 0.0)
    data = bytes_of(pair.server)
    assert data.endswith(b'{"event":"credit","bytes":50}')
    assert pair.device.receive(data) == []
    _, heard = pair.carry()
    assert len(data_of(heard)) == 50


def test_a_substream_without_credit_holds_nobody_up(pair):
    other = pair.device.open("net")
    pair.device.send(pair.channel, bytes(1000))
    pair.device.send(other, b"hello")
    _, heard = pair.carry()
    assert heard[-1] == DataReceived(other, b"hello")
    pair.device.send(other, b"again")
    _, heard = pair.carry()
    assert heard == [DataReceived(other, b"again")]


def test_what_follows_data_waits_with_it(pair):
    pair.device.send(pair.channel, bytes(101))
    pair.device.emit(pair.channel, "late")
    pair.device.end(pair.channel)
    _, heard = pair.carry()
    assert heard == [DataReceived(pair.channel, bytes(100))]
    pair.server.stream(pair.channel).consumed(100, 0.0)
    pair.carry()
    _, heard = pair.carry()
    assert heard == [
        DataReceived(pair.channel, b"\0"),
        CustomReceived(pair.channel, "late", ()),
        StreamEnded(pair.channel),
    ]


def test_events_and_the_end_need_no_credit(pair):
    pair.device.send(pair.channel, bytes(100))
    pair.device.emit(pair.channel, "x")
    pair.device.end(pair.channel)
    _, heard = pair.carry()
    assert heard[-1] == StreamEnded(pair.channel)
    assert not pair.device.has_waiting


def test_a_peer_whose_window_is_nothing_grants_before_anything_is_sent():
    device, server = TunnelCore(Side.B), TunnelCore(Side.A)
    device.enable([CREDIT], SMALL, peers_first=0)
    server.enable([CREDIT], SMALL, SMALL.first)
    channel = device.open("net")
    device.send(channel, b"x")
    assert exchange(device, server)[1] == [StreamOpened(channel, "net")]
    device.receive(encode_json(channel, {"event": "credit", "bytes": 1}))
    assert exchange(device, server)[1] == [DataReceived(channel, b"x")]


def test_credit_goes_before_what_waits(pair):
    pair.device.send(pair.channel, bytes(100))
    pair.carry()
    pair.server.send(pair.channel, bytes(80))
    pair.server.stream(pair.channel).consumed(100, 0.0)
    assert b'"credit"' in bytes_of(pair.server, 1)


def test_after_the_peers_end_nothing_is_granted(pair):
    pair.device.send(pair.channel, bytes(100))
    pair.device.end(pair.channel)
    pair.carry()
    assert not pair.server.stream(pair.channel).consumed(100, 0.0)
    assert not pair.server


# --- what is the peer's fault


def test_data_beyond_what_was_granted_is_the_peers_fault(pair):
    pair.server.receive(data_frame(pair.channel, bytes(100)))
    assert fault_of(pair.server, data_frame(pair.channel, b"x")) == (
        "1 byte of data; 0 were granted"
    )


def test_a_first_message_larger_than_the_window_ends_that_tunnel_alone(pair):
    """CVE-2026-32314: there it ended the process."""
    opens = encode_json(0, {"type": "stream", "sock": 4})
    why = fault_of(pair.server, opens + data_frame(4, bytes(101)))
    assert why == "101 bytes of data; 100 were granted"


@pytest.mark.parametrize("nbytes", [MAX_CREDIT_BYTES, MAX_CREDIT_BYTES - 99])
def test_credit_that_overflows_is_the_peers_fault(pair, nbytes):
    """CVE-2026-31814: there the sum became small, or the process ended."""
    grant = encode_json(pair.channel, {"event": "credit", "bytes": nbytes})
    assert fault_of(pair.device, grant) == (
        f"credit of {nbytes} bytes on top of 100; allowed: 2147483647 in all"
    )


def test_credit_up_to_what_counts_is_none(pair):
    grant = encode_json(pair.channel, {"event": "credit", "bytes": MAX_CREDIT_BYTES - 100})
    assert pair.device.receive(grant) == []


@pytest.mark.parametrize("nbytes", [0, -1, 2**31, 1.5, True, None, "100", 10**300])
def test_credit_that_is_no_number_of_bytes_is_the_peers_fault(pair, nbytes):
    grant = encode_json(pair.channel, {"event": "credit", "bytes": nbytes})
    assert "an integer from 1 to 2147483647 is expected" in fault_of(pair.device, grant)


def test_an_empty_data_message_is_the_peers_fault(pair):
    assert fault_of(pair.server, data_frame(pair.channel, b"")) == "an empty data message"


@pytest.mark.parametrize("event", ["credit", "reset"])
def test_credit_and_reset_for_what_was_never_opened_are_faults(pair, event):
    said = encode_json(9, {"event": event, "bytes": 5})
    assert "never opened" in fault_of(pair.device, said)


# --- promises


def test_a_substream_that_cannot_be_promised_its_window_is_known_by_it():
    pair = Pair(windows=Windows(first=10, substream_max=10))
    for _ in range(10):
        pair.device.open("net")
    pair.carry()
    assert [pair.server.stream(channel).window.promised for channel in range(2, 24, 2)] == (
        [True] * 10 + [False]
    )


def test_this_side_opens_none_that_it_cannot_promise_a_window():
    pair = Pair(peers=Windows())
    for _ in range(9):
        channel = pair.device.open("net")
    with pytest.raises(PromisesExhaustedError, match="no credit is left"):
        pair.device.open("net")
    pair.device.end(channel)
    pair.device.release(channel)
    assert pair.device.open("net") == channel + 2


# --- reset


def test_reset_drops_what_the_peer_has_queued_and_what_waits_here(pair):
    pair.server.send(pair.channel, bytes(500))
    pair.carry()
    pair.device.send(pair.channel, b"in vain")
    pair.device.reset(pair.channel)
    pair.device.end(pair.channel)
    _, heard = pair.carry()
    assert heard == [StreamReset(pair.channel), StreamEnded(pair.channel)]
    assert not pair.server.has_waiting


def test_reset_leaves_though_what_waited_before_it_had_no_credit(pair):
    pair.device.send(pair.channel, bytes(250))
    pair.carry()
    pair.device.reset(pair.channel)
    _, heard = pair.carry()
    assert heard == [StreamReset(pair.channel)]


def test_for_a_peer_that_reads_no_more_nothing_is_queued(pair):
    pair.device.reset(pair.channel)
    pair.carry()
    pair.server.send(pair.channel, b"in vain")
    pair.server.end(pair.channel)
    heard, _ = pair.carry()
    assert heard == [StreamEnded(pair.channel)]


def test_a_second_reset_is_passed_over(pair):
    pair.device.reset(pair.channel)
    pair.device.reset(pair.channel)
    _, heard = pair.carry()
    assert heard == [StreamReset(pair.channel)]


def test_after_a_reset_nothing_is_granted(pair):
    pair.server.send(pair.channel, bytes(100))
    pair.carry()
    pair.device.reset(pair.channel)
    assert not pair.device.stream(pair.channel).consumed(100, 0.0)


# --- after the release


def test_what_a_released_substream_still_sends_goes_on_as_credit_comes(pair):
    pair.server.send(pair.channel, bytes(250))
    pair.server.end(pair.channel)
    pair.server.emit(pair.channel, "close")
    pair.server.release(pair.channel)
    got = 0
    while pair.server.has_waiting:
        heard, _ = pair.carry()
        got += len(data_of(heard))
        assert len(pair.server.leaving) == (got < 250)
        pair.device.stream(pair.channel).consumed(len(data_of(heard)), 0.0)
        pair.server.receive(bytes_of(pair.device))
    assert got == 250
    assert not pair.server.leaving


def test_reset_frees_what_a_released_substream_still_has_to_send(pair):
    pair.server.send(pair.channel, bytes(250))
    pair.server.release(pair.channel)
    pair.carry()
    assert list(pair.server.leaving) == [pair.channel]
    pair.device.reset(pair.channel)
    _, heard = pair.carry()
    assert heard == []
    assert not pair.server.leaving
    assert not pair.server.has_waiting


def test_reset_of_a_released_substream_with_nothing_left_to_send_is_ignored(pair):
    pair.server.release(pair.channel)
    pair.device.reset(pair.channel)
    _, heard = pair.carry()
    assert heard == []


def test_what_the_opener_still_had_to_send_is_dropped_when_the_peer_is_done(pair):
    pair.device.send(pair.channel, bytes(250))
    pair.carry()
    pair.server.release(pair.channel)
    pair.device.end(pair.channel)
    pair.device.release(pair.channel)
    _, heard = pair.carry()
    assert heard == []
    assert not pair.device.leaving
    assert not pair.device.has_waiting


def test_a_number_that_still_has_something_to_send_is_in_use(pair):
    pair.server.send(pair.channel, bytes(250))
    pair.server.release(pair.channel)
    data = encode_json(0, {"type": "stream", "sock": pair.channel})
    assert "opened while it is in use" in fault_of(pair.server, data)


def test_credit_for_a_substream_that_both_are_done_with_was_in_flight(pair):
    pair.server.release(pair.channel)
    said = encode_json(pair.channel, {"event": "credit", "bytes": 5})
    assert pair.server.receive(said) == []
    assert not pair.server.leaving


# --- without it


def test_substreams_from_before_the_agreement_stand_outside():
    device, server = TunnelCore(Side.B), TunnelCore(Side.A)
    channel = device.open("net")
    exchange(device, server)
    for tunnel in (device, server):
        tunnel.enable([CREDIT], SMALL, 100)
    device.send(channel, bytes(1000))
    _, heard = exchange(device, server)
    assert len(data_of(heard)) == 1000
    assert not server.stream(channel).consumed(1000, 0.0)
    assert server.stream(channel).window is None
    with pytest.raises(LocalError, match="without credit/1"):
        device.reset(channel)
    server.receive(encode_json(channel, {"event": "credit", "bytes": 5}))
    assert StreamReset(channel) in server.receive(encode_json(channel, {"event": "reset"}))


def test_to_who_does_not_know_them_credit_and_reset_mean_nothing():
    device, server = TunnelCore(Side.B), TunnelCore(Side.A)
    channel = device.open("net")
    exchange(device, server)
    for event in ("credit", "reset"):
        (ignored,) = server.receive(encode_json(channel, {"event": event, "bytes": 5}))
        assert ignored.what == f"event '{event}'"
    assert server.receive(data_frame(channel, b"")) == []


def test_errors_of_the_peer_are_remote_ones(pair):
    *_, fault = pair.server.receive(data_frame(pair.channel, bytes(101)))
    assert isinstance(fault.error, RemoteError)
