"""Peers that send nothing, send half a message or do not read: closed by a timeout, or cheap."""

import socket
import ssl
import time
from contextlib import ExitStack, suppress

import pytest

from lab.waiting import eventually
from support.hardening.device import Device, connecting, data, hello
from support.hardening.proxy import TOKEN

LIMIT_S = 1
SLACK_SECONDS = 4.0  # the machine is shared
MIB = 1024 * 1024


@pytest.fixture
def proxy(proxy_with):
    return proxy_with(HANDSHAKE_TIMEOUT_S=LIMIT_S, AUTH_TIMEOUT_S=LIMIT_S, ADMIN_PORT=0)


def client_hello():
    context = ssl.create_default_context()
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def ends_within(plain, seconds):
    """Assert that the other side closes the connection in time."""
    plain.settimeout(seconds)
    try:
        while plain.recv(4096):
            pass
    except ConnectionError:
        pass


def test_every_unfinished_handshake_is_closed_in_time(proxy, bystander_of):
    ways = (b"", b"\x16", client_hello()[:100], client_hello())
    with bystander_of(proxy), ExitStack() as stack:
        for said in ways:
            plain = socket.create_connection(("127.0.0.1", proxy.port))
            stack.enter_context(plain).sendall(said)
            stack.callback(ends_within, plain, LIMIT_S + SLACK_SECONDS)
    assert refused(proxy, "handshake_timeout") == len(ways)


def test_every_connection_without_a_complete_token_is_closed_in_time(
    proxy, bystander_of, device_of
):
    ways = (b"", b"\x00", hello(TOKEN)[:-1], b"\xff\xff" + bytes(60_000))
    with bystander_of(proxy):
        for said in ways:
            device_of(proxy).send(said)
        # the slowest of ways: it gains no time
        drop_by_drop(device_of(proxy).socket, hello("wrong") * 5)
        in_time = len(ways) + 1
        eventually(lambda: refused(proxy, "auth_timeout") == in_time, SLACK_SECONDS)


def test_a_handshake_byte_by_byte_gets_no_more_time(proxy, bystander_of):
    with bystander_of(proxy), socket.create_connection(("127.0.0.1", proxy.port)) as plain:
        drop_by_drop(plain, client_hello())
    assert refused(proxy, "handshake_timeout") == 1


def refused(proxy, reason):
    """Return the number of refusals from the metrics, because the log combines equal lines."""
    return proxy.metric(f'refusals_total{{reason="{reason}"}}')


def drop_by_drop(connection, data):
    """Send a byte at a time until the connection is closed, which must be soon."""
    began = time.monotonic()
    with suppress(OSError):  # reset, broken pipe or a word of TLS
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        pytest.fail("all of it was taken")
    assert time.monotonic() - began < LIMIT_S + SLACK_SECONDS


def test_many_silent_unauthenticated_peers_block_devices_no_longer_than_the_timeout(
    proxy_with, device_of
):
    crowd_size = 16
    proxy = proxy_with(
        HANDSHAKE_TIMEOUT_S=LIMIT_S, AUTH_TIMEOUT_S=LIMIT_S, MAX_UNAUTHENTICATED=crowd_size
    )
    before = proxy.held.descriptors
    crowd = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(crowd_size)]
    try:
        with pytest.raises(OSError):  # noqa: PT011 -- cut in the handshake
            device_of(proxy, TOKEN)
        time.sleep(LIMIT_S)
        eventually(lambda: _gets_in(proxy, device_of), SLACK_SECONDS)
    finally:
        for each in crowd:
            each.close()
    proxy.settles(before + 2)


def _gets_in(proxy, device_of):
    try:
        return device_of(proxy, TOKEN)
    except OSError:
        return None


def test_devices_that_fall_silent_after_their_token_cost_little(proxy, context, device_of):
    """A device may be idle for days: its tunnel stays and must be cheap."""
    device_of(proxy, TOKEN)
    first = proxy.held
    silent = [device_of(proxy, TOKEN) for _ in range(100)]
    each = (proxy.held.memory - first.memory) / len(silent)
    assert each < 200 * 1024  # TLS takes most of it
    assert proxy.held.descriptors == first.descriptors + len(silent)
    for device in silent:
        device.socket.close()
    proxy.settles(first.descriptors)


def test_half_a_frame_then_silence_costs_memory_for_one_frame_only(proxy, bystander_of, device_of):
    device_of(proxy, TOKEN)
    with bystander_of(proxy):
        before = proxy.held.memory
        halves = [device_of(proxy, TOKEN) for _ in range(50)]
        for device in halves:
            device.send(data(2, bytes(65_532))[:-1])
        time.sleep(1)
        assert proxy.held.memory - before < len(halves) * 400 * 1024


def test_a_device_that_does_not_read_a_flood_blocks_only_itself(proxy, bystander_of, context, site):
    with bystander_of(proxy), Device(proxy.port, context, receive_buffer=4096) as deaf:
        assert deaf.authenticate(TOKEN) == {"authed": True}
        before = proxy.held.memory
        for channel in range(2, 22, 2):
            deaf.send(connecting(channel, site["source"]), data(channel, b"100000000\n"))
        time.sleep(2)
        assert proxy.held.memory - before < 16 * MIB  # of a gigabyte that was asked for


def test_a_device_that_sends_to_a_target_that_does_not_read_blocks_only_itself(
    proxy, bystander_of, device_of
):
    with bystander_of(proxy), socket.create_server(("127.0.0.1", 0)) as target:
        device = device_of(proxy, TOKEN)
        device.send(connecting(2, target.getsockname()[1]))
        before = proxy.held.memory
        sent = device.send_until_full(data(2, bytes(65_532)), most=3000, within=2)
        assert sent < 1000, "all of it was taken, and is somewhere"
        assert proxy.held.memory - before < 8 * MIB
