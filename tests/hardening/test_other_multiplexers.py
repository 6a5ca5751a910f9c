"""Attacks that succeeded against other multiplexers.

CVE-2024-32984 (yamux): replies without bound queue for a peer that does not read.
CVE-2026-32314: a first frame larger than what its receiver is prepared for.
CVE-2026-31814: overflow of credit.
"""

import socket
from contextlib import suppress

import pytest

from lab.waiting import eventually
from support.hardening.device import (
    Device,
    connecting,
    control,
    credit,
    data,
    event,
    hello,
    opening,
)
from support.hardening.proxy import TOKEN

MIB = 1024 * 1024
# What answers may wait (4 MiB as bytes, each with its object), and what arrived meanwhile.
HOARD_BYTES = 24 * MIB
MOST_ASKED = 20 * MIB


def tokens():
    """Messages that each get a reply."""
    while True:
        yield hello(TOKEN, features=["retry/1"]) * 500


def refused_substreams():
    """Messages that each get an error, an end and a close."""
    while True:  # the server is done with the number each time, and takes it again
        yield connecting(2, 0) * 200


def bad_events():
    """A second connect is refused, and so is all that follows; the channel stays."""
    yield opening(2)
    while True:
        yield event(2, "_pls_timeout", -1) * 500


def pings():
    """A feature that was not negotiated gets no reply."""
    while True:
        yield control(type="ping", id=1) * 500


@pytest.mark.parametrize(
    ("asking", "is_cut"),
    [(tokens, True), (refused_substreams, True), (bad_events, False), (pings, False)],
)
def test_replies_to_a_peer_that_does_not_read_are_bounded(
    proxy_with, bystander_of, context, asking, is_cut
):
    proxy = proxy_with()
    with bystander_of(proxy), Device(proxy.port, context, receive_buffer=4096) as deaf:
        assert deaf.authenticate(TOKEN) == {"authed": True}
        before = highest = proxy.held.memory
        asked, cut = 0, False
        for count, data in enumerate(asking()):
            try:
                deaf.send(data)
            except OSError:
                cut = True
                break
            asked += len(data)
            if count % 5 == 0:
                highest = max(highest, proxy.held.memory)
            if asked > (MOST_ASKED if is_cut else MOST_ASKED / 5):
                break
        assert max(highest, proxy.held.memory) - before < HOARD_BYTES
        assert cut is is_cut
    if is_cut:
        closed = eventually(lambda: proxy.log.events("tunnel_closed", outcome="protocol_fault"))
        assert len(closed) == 1


LARGEST = b"\xff\xff"
PEERS = 20  # at a time
PEER_BYTES = MIB // 2  # TLS and a frame, each in several hands for a moment


@pytest.mark.parametrize(
    "first",
    [
        LARGEST + b"\0\0\1" + b"[" * 65_532,
        LARGEST + b"\0\0\1" + b'{"type":"message","object":{"token":"%s"}}' % (b"x" * 65_491),
        LARGEST + b"\0\2\0" + bytes(65_532),
        LARGEST + b"\0\0\0" + bytes(65_532),
        data(2, bytes(65_532)) * 100,
    ],
    ids=["nested", "token", "data", "data on 0", "much data"],
)
def test_a_largest_first_frame_affects_only_its_own_connection(
    proxy_with, bystander_of, device_of, first
):
    proxy = proxy_with(AUTH_TIMEOUT_S=1)
    with bystander_of(proxy):
        before = proxy.held.memory
        peers = [device_of(proxy) for _ in range(PEERS)]
        for peer in peers:
            with suppress(OSError):  # cut before all of it was sent
                peer.send(first)
        for peer in peers:
            goes_within(peer, 8)
        assert proxy.held.memory - before < PEERS * PEER_BYTES


def goes_within(device, seconds):
    try:
        device.wait_until_gone(seconds)
    except TimeoutError:
        raise
    except OSError:
        pass  # not a clean end, but one


def test_largest_frames_before_the_target_is_named_stay_within_the_tunnels_limit(
    proxy_with, bystander_of, device_of
):
    proxy = proxy_with()
    with bystander_of(proxy):
        device_of(proxy, TOKEN)
        before = proxy.held.memory
        for _ in range(10):
            device = device_of(proxy, TOKEN)
            for channel in range(2, 102, 2):
                device.send(opening(channel), data(channel, bytes(65_532)))
            assert "ENOBUFS" in device.said()[1]["message"]
        assert proxy.held.memory - before < 10 * 3 * MIB  # of 33 MB


@pytest.mark.parametrize(
    "said",
    [
        opening(2) + credit(2, 2**31 - 1),
        opening(2) + credit(2, 2**31 - 65_536) + credit(2, 1),
        opening(2) + credit(2, 2**32 + 1),
        opening(2) + credit(2, -1),
        opening(2) + data(2, b""),
    ],
    ids=["overflow", "one too many", "more than 32 bits", "less than none", "empty"],
)
def test_a_violation_of_flow_control_affects_only_its_own_tunnel(
    proxy_with, bystander_of, device_of, said
):
    proxy = proxy_with()
    with bystander_of(proxy):
        device = device_of(proxy)
        assert device.authenticate(TOKEN, features=["credit/1"])["window"] == 65_536
        device.send(said)
        goes_within(device, 8)
        closed = eventually(lambda: proxy.log.events("tunnel_closed", outcome="protocol_fault"))
        assert len(closed) == 1


def test_sending_more_than_the_granted_credit_affects_only_that_tunnel(
    proxy_with, bystander_of, device_of
):
    proxy = proxy_with()
    with bystander_of(proxy), socket.create_server(("127.0.0.1", 0)) as deaf:
        device = device_of(proxy)
        device.authenticate(TOKEN, features=["credit/1"])
        device.send(connecting(2, deaf.getsockname()[1]))
        with suppress(OSError):  # cut while it sends: what the system holds for a target is less
            device.send(*[data(2, bytes(65_532))] * 512)
        goes_within(device, 8)
        closed = eventually(lambda: proxy.log.events("tunnel_closed", outcome="protocol_fault"))
        assert len(closed) == 1


def test_events_in_place_of_data_end_their_substream_and_no_other(
    proxy_with, bystander_of, device_of
):
    proxy = proxy_with()
    with bystander_of(proxy):
        before = proxy.held.memory
        device = device_of(proxy)
        device.authenticate(TOKEN, features=["credit/1"])
        device.send(opening(4), opening(2))
        for _ in range(200):
            device.send(event(2, "x", "y" * 60_000) * 5)
        device.send(event(2, "_pls_timeout", 1000) * 2000)
        assert "ENOBUFS" in device.said()[1]["message"]
        # Of 60 MB. Reads of 256 KiB leave some 10 MiB with the allocator: once, however often.
        assert proxy.held.memory - before < 16 * MIB
