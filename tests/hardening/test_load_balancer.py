"""Behind a load balancer: PROXY protocol headers that are incomplete, wrong, huge or forged."""

import socket
import ssl
from contextlib import ExitStack, suppress

import pytest

from lab.waiting import eventually
from support.hardening.device import Device, control, hello
from support.hardening.proxy import TOKEN

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEADER_SECONDS = 5.0
SLACK_SECONDS = 4.0
MIB = 1024 * 1024

# what is half is awaited until its limit, all else is cut at once
HALF = [b"", b"PROXY TCP4 192.0.2.1", SIGNATURE[:5], SIGNATURE + b"\x21\x11\xff\xff" + bytes(100)]
WRONG = [
    *(b"PROXY TCP4 " + b"1" * 200, b"PROXY TCP9 a b 1 2\r\n", b"PROXY TCP4 1.2.3.4 x 1 2\r\n"),
    *(SIGNATURE + b"\x51\x11\0\0", SIGNATURE + b"\x21\x11\0\1x", b"\x16\x03\x01\0\x05hello"),
    *(b"GET / HTTP/1.1\r\n\r\n", bytes(1000), b"\xff" * 100_000),
]


@pytest.fixture
def balanced(proxy_with):
    return proxy_with(ADMIN_PORT=0, PROXY_PROTOCOL_FROM="127.0.0.1")


def test_every_incomplete_or_wrong_header_closes_its_connection_in_time(balanced):
    before = balanced.held
    with ExitStack() as stack:
        connections = []
        for said in HALF + WRONG:
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", balanced.port)))
            plain.settimeout(HEADER_SECONDS + SLACK_SECONDS)
            connections.append(plain)
            with suppress(ConnectionError):  # cut before all of it was sent
                plain.sendall(said)
        for plain in connections:
            read_to_the_end(plain)
    balanced.settles(before.descriptors)
    assert balanced.held.memory - before.memory < 4 * MIB
    assert balanced.metric('refusals_total{reason="proxy_header"}') == len(HALF + WRONG)


def read_to_the_end(plain):
    with suppress(ConnectionError):
        while plain.recv(4096):
            pass


def test_a_header_from_an_unknown_address_is_a_failed_tls_handshake(
    proxy_with, bystander_of, context
):
    proxy = proxy_with(PROXY_PROTOCOL_FROM="192.0.2.7")
    with (
        bystander_of(proxy),
        pytest.raises(OSError),  # noqa: PT011 -- whatever TLS or TCP makes of it
    ):
        Device(proxy.port, context, before_tls=[b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"])
    closed = eventually(lambda: proxy.log.events("tunnel_closed"))
    assert all(peer.startswith("127.0.0.1:") for peer in (line["peer"] for line in closed))


def test_bytes_in_the_same_segment_as_the_header_are_served(balanced, context):
    outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", balanced.port), SLACK_SECONDS) as plain:
        waiting = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 5005\r\n"
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(waiting + outgoing.read())
                waiting = b""
                incoming.write(plain.recv(65_536))
        client.write(control(type="nothing") + hello(TOKEN))
        plain.sendall(outgoing.read())
        while True:
            incoming.write(plain.recv(65_536))
            try:
                assert b'{"authed":true}' in client.read()
                break
            except ssl.SSLWantReadError:
                continue
    (line,) = eventually(lambda: balanced.log.tunnels)
    assert line["peer"] == "192.0.2.1:4711"
