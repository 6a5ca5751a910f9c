"""Every message of host and chip survives the wire, and no bytes do harm."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessel.cc3000 import spi
from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci import commands, events, netapp, packets, replies, sockets, wlan
from tessel.cc3000.hci.codes import Code, Security
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.names import AdvertiseMdns, GetHostByName
from tessel.cc3000.hci.packets import CommandPacket, DataPacket, EventPacket, PatchPacket

byte, word = st.integers(0, 0xFF), st.integers(0, 0xFFFFFFFF)
number = st.integers(-(2**31), 2**31 - 1)
addresses = st.ip_addresses(v=4).map(str)
ports = st.integers(0, 0xFFFF)
names, keys, bssids = (
    st.binary(max_size=32),
    st.binary(max_size=13),
    st.binary(min_size=6, max_size=6),
)
peers = st.builds(SocketAddress, addresses, ports)
some = st.binary(max_size=200)
security = st.sampled_from(Security)
keyed = st.tuples(names, security, keys).map(lambda t: t if t[1] else (t[0], t[1], b""))

MESSAGES = st.one_of(
    st.builds(wlan.Start, byte),
    st.builds(wlan.ReadBufferSize),
    st.builds(wlan.SetEventMask, word),
    st.builds(wlan.GetStatus),
    st.builds(wlan.ConnectWlan, names, security, st.binary(max_size=64), bssids),
    st.builds(wlan.DisconnectWlan),
    st.builds(
        wlan.SetScanParameters,
        *[word] * 5,
        number,
        *[word] * 2,
        waits_ms=st.tuples(*[word] * 16),
    ),
    st.builds(wlan.SetConnectionPolicy, word, word, word),
    st.builds(lambda t, p, b: wlan.AddProfile(*t, priority=p, bssid=b), keyed, word, bssids),
    st.builds(wlan.DeleteProfile, word),
    st.builds(wlan.GetScanResults, word),
    st.builds(wlan.StartSmartConfig, word),
    st.builds(wlan.StopSmartConfig),
    st.builds(wlan.SetSmartConfigPrefix, st.binary(min_size=3, max_size=3)),
    st.builds(netapp.SetAddress, *[addresses] * 4),
    st.builds(netapp.Ping, addresses, word, word, word),
    st.builds(netapp.ReportPing),
    st.builds(netapp.StopPing),
    st.builds(netapp.GetIpConfig),
    st.builds(netapp.FlushArp),
    st.builds(netapp.SetDebugLevel, word),
    st.builds(netapp.SetTimers, *[word] * 4),
    st.builds(netapp.ReadNvmem, word, word, word),
    st.builds(netapp.CreateNvmemEntry, word, word),
    st.builds(netapp.WriteNvmem, word, some, word),
    st.builds(netapp.ReadServicePack),
    st.builds(sockets.OpenSocket, word, word, word),
    st.builds(sockets.Bind, word, peers),
    st.builds(sockets.Connect, word, peers),
    st.builds(sockets.Listen, word, word),
    st.builds(sockets.Accept, word),
    st.builds(sockets.Receive, word, word, word),
    st.builds(sockets.ReceiveFrom, word, word, word),
    st.builds(sockets.Select, word, word, word, word, st.none() | st.integers(0, 2**40)),
    st.builds(sockets.SetSocketOption, word, word, st.binary(max_size=100)),
    st.builds(sockets.GetSocketOption, word, word),
    st.builds(sockets.CloseSocket, word),
    st.builds(GetHostByName, some),
    st.builds(AdvertiseMdns, word, some),
    st.builds(sockets.Send, word, some, word),
    st.builds(sockets.SendTo, word, some, peers, word),
)
leases = st.builds(replies.Lease, *[addresses] * 5)
ssids = st.binary(max_size=32).filter(lambda ssid: not ssid.endswith(b"\0"))
REPLIES = st.one_of(
    st.builds(replies.Done),
    st.builds(replies.Result, number),
    st.builds(replies.Bits, word),
    st.builds(replies.BufferSize, byte, ports),
    st.builds(replies.ServicePack, byte, byte),
    st.builds(replies.Sent, word, number),
    st.builds(replies.Received, word, number, word),
    st.builds(replies.Accepted, word, number, peers),
    st.builds(replies.Selected, number, word, word, word),
    st.builds(replies.HostByName, number, addresses),
    st.builds(replies.IpConfig, leases, bssids, ssids),
    st.builds(
        replies.ScanResult,
        word,
        word,
        st.booleans(),
        st.integers(0, 127),
        st.integers(0, 3),
        st.binary(max_size=32),
        bssids,
        ports,
    ),
)
EVENTS = st.one_of(
    st.builds(events.WlanConnected),
    st.builds(events.WlanDisconnected),
    st.builds(events.DhcpDone, leases, byte),
    st.builds(events.PingReport, *[word] * 5),
    st.builds(events.Keepalive),
    st.builds(events.SmartConfigDone),
    st.builds(events.CloseWait, byte),
    st.builds(events.FreeBuffers, st.lists(st.tuples(byte, ports), max_size=30).map(tuple)),
    st.builds(events.SendFailed, word, byte),
    st.builds(events.PatchRequest, byte),
    st.builds(events.Unknown, st.sampled_from([0x8400, 0x8900, 0xFFFF])),
)


def over_the_wire(packet):
    """As the other side has it, pad and all."""
    return packets.decode(spi.packet_written(spi.write_frame(packet.encode())))


@given(MESSAGES)
def test_what_a_host_says_is_what_the_chip_hears(message):
    assert commands.message(over_the_wire(message.packet())) == message


@given(REPLIES)
def test_what_a_chip_answers_is_what_the_host_reads(reply):
    assert type(reply).parse(reply.args() + b"more") == reply


@given(REPLIES)
def test_an_answer_cut_short_is_said_to_be_so(reply):
    data = reply.args()
    if data:
        with pytest.raises(FrameError):
            type(reply).parse(data[: len(data) // 2])


@given(EVENTS)
def test_what_a_chip_reports_is_what_the_host_hears(event):
    packet = packets.decode(spi.packet_read(spi.read_frame(event.packet().encode())))
    assert events.unsolicited(packet) == event


@given(
    st.builds(CommandPacket, st.integers(0, 0xFFFF), some) | st.builds(DataPacket, byte, some, some)
)
def test_whatever_a_host_says_is_a_message_or_a_fault(packet):
    with contextlib.suppress(FrameError):
        commands.message(packet)


@given(MESSAGES, st.data())
def test_a_message_cut_short_is_a_message_or_a_fault(message, data):
    """Some are understood without their last fields; none does harm."""
    packet = message.packet()
    args = packet.args[: data.draw(st.integers(0, len(packet.args)))]
    cut = (
        CommandPacket(packet.opcode, args)
        if isinstance(packet, CommandPacket)
        else DataPacket(packet.opcode, args, packet.payload)
    )
    with contextlib.suppress(FrameError):
        commands.message(cut)


@given(st.builds(EventPacket, st.integers(0, 0xFFFF), byte, some))
def test_whatever_a_chip_reports_is_an_event_or_an_answer_or_a_fault(packet):
    with contextlib.suppress(FrameError):
        events.unsolicited(packet)


@given(some)
def test_whatever_bytes_come_are_a_packet_or_a_fault(data):
    for read in (packets.decode, spi.packet_read, spi.packet_written):
        with contextlib.suppress(FrameError):
            read(data)


@given(st.binary(min_size=10, max_size=10), st.sampled_from(spi.ReadStyle))
def test_a_host_never_clocks_more_than_it_has_room_for(first, style):
    try:
        rest = spi.rest_burst(first, style)
    except FrameError:
        return
    assert len(first + rest) <= spi.LARGEST_READ
    assert set(rest) <= {spi.READ}


@given(st.binary(max_size=100))
def test_a_frame_is_even_and_its_length_odd(data):
    frame = spi.write_frame(b"\1" + data)
    assert len(frame) % 2 == 0
    assert int.from_bytes(frame[1:3], "big") % 2 == 1
    assert len(spi.read_frame(b"\4" + data)) % 2 == 0


def test_what_follows_a_reply_is_reported_by_the_reply():
    assert sockets.Receive.follows(replies.Received(0, 5)) == 0x85
    assert sockets.ReceiveFrom.follows(replies.Received(0, 0)) is None
    assert sockets.Accept.follows(replies.Accepted(0, 1, SocketAddress())) is None
    assert netapp.ReadNvmem.follows(replies.Done()) == 0x91


def test_an_answer_to_something_else_is_none():
    with pytest.raises(FrameError):
        sockets.Send.read_reply(EventPacket(0x1001, 0, bytes(8)))


def test_what_a_chip_sends_back_of_its_memory_and_of_datagrams():
    data = netapp.NvmemBytes(b"memory")
    assert netapp.NvmemBytes.read(data.packet(6)) == data
    for arrived in (
        sockets.Arrived(1, b"data"),
        sockets.Arrived(1, b"data", SocketAddress("192.0.2.1", 53)),
    ):
        assert sockets.Arrived.read(packets.decode(arrived.packet().encode())) == arrived


def test_a_patch_is_sent_with_its_length():
    assert packets.decode(PatchPacket(2, b"abc").encode()) == PatchPacket(2, b"abc")


def test_keys_are_not_shown():
    assert b"secret".decode() not in repr(wlan.ConnectWlan(b"home", Security.WPA2, b"secret"))
    assert b"secret".decode() not in repr(wlan.AddProfile(b"home", Security.WPA2, b"secret"))
    assert Code.INACTIVE == -57


def test_a_buffer_of_a_socket_that_cannot_be_is_reported_with_what_fits():
    packet = events.FreeBuffers(((0x1FF, 1),)).packet()
    assert events.unsolicited(packet) == events.FreeBuffers(((0xFF, 1),))
