"""Targets that never answer, reset, flood or send garbage affect only their own substream."""

import socket
import struct
import threading
from contextlib import ExitStack, suppress

import pytest

from support.hardening.device import connecting, data
from support.hardening.proxy import TOKEN

LIMIT_S = 1
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def proxy(proxy_with):
    return proxy_with(CONNECT_TIMEOUT_S=LIMIT_S)


@pytest.fixture
def serve():
    """Start a target that does this with each connection; return its port."""
    with ExitStack() as stack:

        def start(behave):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=attend, args=(listener, behave), daemon=True).start()
            return listener.getsockname()[1]

        yield start


def attend(listener, behave):
    with ExitStack() as kept:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            kept.enter_context(peer)
            with suppress(OSError):  # the proxy has gone
                behave(peer)


@pytest.fixture
def full_port():
    """A port that does not answer SYNs, because its backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()


def test_connecting_to_a_target_that_never_answers_times_out(
    proxy, device_of, bystander_of, full_port
):
    device = device_of(proxy, TOKEN)
    before = proxy.held.descriptors
    with bystander_of(proxy):
        channels = range(2, 102, 2)
        device.send(*(connecting(channel, full_port) for channel in channels))
        told = {channel: [] for channel in channels}
        while not all("close" in events for events in told.values()):
            channel, said = device.said()
            told[channel].append(said.get("message") or said.get("emitArgs", ["end"])[0])
    expected = [f"connect ETIMEDOUT 127.0.0.1:{full_port}", "end", "close"]
    assert set(map(tuple, told.values())) == {tuple(expected)}
    proxy.settles(before)


def test_a_tls_handshake_that_the_target_does_not_finish_times_out(
    proxy, device_of, bystander_of, serve
):
    port = serve(lambda peer: None)
    device = device_of(proxy, TOKEN)
    with bystander_of(proxy):
        device.send(connecting(2, port, name="tls"))
        timed_out = f"connect ETIMEDOUT 127.0.0.1:{port}: during the TLS handshake"
        assert device.events(2) == ["connect", timed_out, "end", "close"]


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + b"\xff" * 65_535]
)
def test_a_tls_target_that_sends_garbage_affects_no_other_substream(
    proxy, device_of, bystander_of, serve, nonsense
):
    port = serve(lambda peer: peer.sendall(nonsense))
    device = device_of(proxy, TOKEN)
    with bystander_of(proxy):
        device.send(connecting(2, port, name="tls"))
        first, error, *rest = device.events(2)
        assert (first, rest) == ("connect", ["end", "close"])
        assert "EPROTO" in error or "ECONNRESET" in error


def test_targets_that_reset_end_their_substream_with_an_error(
    proxy, device_of, bystander_of, serve, site
):
    port = serve(reset)
    device = device_of(proxy, TOKEN)
    with bystander_of(proxy):
        for channel in range(2, 42, 4):
            device.send(connecting(channel, port))
            *_, error, first, last = device.events(channel)  # in or after connecting, as it happens
            assert ("ECONNRESET" in error, first, last) == (True, "end", "close")
            device.send(connecting(channel + 2, site["reset"]), data(channel + 2, b"x" * 100))
            assert device.events(channel + 2)[-3:] == ["read ECONNRESET", "end", "close"]


def test_a_flood_of_single_bytes_does_not_starve_others(proxy, device_of, bystander_of, serve):
    stopped = threading.Event()

    def flood(peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=drip, args=(peer,), daemon=True).start()

    def drip(peer):
        with suppress(OSError):  # the proxy has gone
            while not stopped.is_set():
                peer.sendall(b".")

    device = device_of(proxy, TOKEN)
    with bystander_of(proxy):
        device.send(connecting(2, serve(flood)))
        assert set(device.read_bytes(2, 20_000)) == set(b".")
    stopped.set()


def test_a_target_that_floods_a_slow_device_is_slowed_to_its_rate(
    proxy, device_of, bystander_of, site
):
    slow = device_of(proxy, TOKEN, receive_buffer=4096)
    before = proxy.held.memory
    with bystander_of(proxy):
        slow.send(connecting(2, site["source"]), data(2, b"500000000\n"))
        for _ in range(20):
            slow.read_bytes(2, 50_000)
        assert proxy.held.memory - before < 4 * 1024 * 1024
