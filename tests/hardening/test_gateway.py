"""A gateway and a proxy as processes: transfers that are whole, cut or stalled; hostile bytes."""

import hashlib
import random
import shutil
import socket
import subprocess
import time

import pytest

from lab.target_site.bodies import Body, sha256_of
from lab.waiting import eventually
from support.gateway.process import exactly, socks5_request, to_end

AT_ONCE = 200
LARGE = 50_000_000
STALLED = 20_000_000  # bytes that nobody reads
GROWTH_BYTES = 24 * 1024 * 1024  # of a process, for buffers of fixed size
HOSTILE = 400


@pytest.fixture
def proxy(proxy_with):
    return proxy_with()


@pytest.fixture
def gateway(gateway_of, proxy):
    return gateway_of(proxy)


def http_connect(client, host, port):
    client.sendall(b"CONNECT %s:%d HTTP/1.1\r\n\r\n" % (host.encode(), port))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(client, 1)
    return int(head.split()[1])


def socks4a(client, host, port):
    client.sendall(b"\x04\x01" + port.to_bytes(2, "big") + b"\0\0\0\1\0" + host.encode() + b"\0")
    return exactly(client, 8)[1]


def socks5(client, host, port, command=1):
    client.sendall(b"\x05\x01\x00" + socks5_request(host, port, command))
    exactly(client, 2)
    return exactly(client, 10)[1]


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def test_a_client_that_ends_its_side_gets_the_targets_answer(gateway, site):
    sent = random.Random(1).randbytes(3_000_000)
    with gateway.joined(site["count"]) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = to_end(client)

    assert answer == f"{len(sent)} {hashlib.sha256(sent).hexdigest()}\n".encode()


def test_early_data_reaches_the_target_in_each_protocol(gateway, site):
    port = site["echo"]
    requests = {
        b"\x05\x01\x00" + socks5_request("127.0.0.1", port): 12,
        b"\x04\x01" + port.to_bytes(2, "big") + b"\x7f\0\0\1\0": 8,
        b"CONNECT localhost:%d HTTP/1.1\r\n\r\n" % port: 39,
    }
    for request, answer_bytes in requests.items():
        with gateway.client() as client:
            client.sendall(request + b"early")
            client.shutdown(socket.SHUT_WR)
            assert to_end(client)[answer_bytes:] == b"early", request


def test_two_hundred_connections_at_once_carry_their_own_bytes(gateway, site):
    clients = [gateway.joined(site["echo"]) for _ in range(AT_ONCE)]
    for number, client in enumerate(clients):
        client.sendall(b"%06d" % number * 1000)
    for number, client in enumerate(clients):
        assert exactly(client, 6000) == b"%06d" % number * 1000
        client.close()

    with gateway.joined(site["echo"]) as client:
        client.sendall(b"again")
        assert exactly(client, 5) == b"again"


def test_large_transfers_each_way_are_equal(gateway, site):
    with gateway.joined(site["source"]) as client:
        client.sendall(b"%d\n" % LARGE)
        digest, count = hashlib.sha256(), 0
        while piece := client.recv(65536):
            digest.update(piece)
            count += len(piece)
    assert (count, digest.hexdigest()) == (LARGE, sha256_of(LARGE))

    with gateway.joined(site["count"]) as client:
        body = Body(LARGE)
        while piece := body.read(65536):
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        assert to_end(client) == f"{LARGE} {sha256_of(LARGE)}\n".encode()


def test_the_errors_of_targets_have_each_protocols_code(proxy_with, gateway_of):
    gateway = gateway_of(proxy_with(EGRESS_ALLOW="127.0.0.1/32"))
    closed = free_port()
    wanted = [
        ("127.0.0.1", closed, 5, 0x5B, 502),
        ("127.0.0.2", closed, 2, 0x5B, 403),
        ("nothing.invalid", 80, 4, 0x5B, 502),
    ]
    for host, port, *codes in wanted:
        found = []
        for ask in (socks5, socks4a, http_connect):
            with gateway.client() as client:
                found.append(ask(client, host, port))
        assert found == codes, host


@pytest.mark.parametrize("command", [2, 3])
def test_bind_and_udp_get_command_not_supported_and_an_end(gateway, site, command):
    with gateway.client() as client:
        assert socks5(client, "127.0.0.1", site["echo"], command) == 7
        assert to_end(client) == b""


@pytest.mark.parametrize("local", ["127.0.0.0/8", "nothing.invalid"])
def test_a_simulated_chip_carries_connections_directly_and_through_the_tunnel(
    gateway_of, proxy, site, local
):
    gateway = gateway_of(proxy, RADIO="cc3000-sim", PROXY_LOCAL=local)
    with gateway.joined(site["source"]) as client:
        client.sendall(b"100000\n")
        found = to_end(client)  # an end, although the chip cannot half-close

    assert hashlib.sha256(found).hexdigest() == sha256_of(100_000)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_download_without_a_length_is_an_error_for_curl_if_the_proxy_is_killed(
    gateway, proxy, site
):
    command = ["curl", "-sS", "--http0.9", "--no-buffer", "--socks5-hostname"]
    address = f"http://127.0.0.1:{site['trickle']}/"
    download = subprocess.Popen(
        [*command, f"127.0.0.1:{gateway.port}", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with download:
        assert download.stdout.read(1000)
        proxy.kill()
        assert download.wait(20) == 56  # CURLE_RECV_ERROR
        assert b"reset" in download.stderr.read()


def test_a_target_that_resets_resets_the_client(gateway, site):
    with gateway.joined(site["reset"]) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            to_end(client)


def test_a_client_that_resets_resets_the_target(gateway):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        client = gateway.joined(server.getsockname()[1])
        target, _ = server.accept()
        target.settimeout(10)
        client.sendall(b"hello")
        assert exactly(target, 5) == b"hello"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        with target, pytest.raises(ConnectionResetError):
            to_end(target)


def test_a_proxy_that_dies_is_an_error_for_clients_and_the_next_connection_works(
    gateway, proxy, site
):
    clients = [gateway.joined(site["trickle"]) for _ in range(5)]
    for client in clients:
        exactly(client, 10)

    proxy.kill()
    for client in clients:
        with client, pytest.raises(ConnectionResetError):
            to_end(client)
    with gateway.client() as client:
        assert socks5(client, "127.0.0.1", site["echo"]) == 1
    proxy.start()

    def works():
        try:
            return gateway.joined(site["echo"])
        except AssertionError:
            return None

    with eventually(works, 30) as client:
        client.sendall(b"again")
        assert exactly(client, 5) == b"again"


def test_a_gateway_that_stops_resets_its_clients(gateway_of, proxy, site):
    gateway = gateway_of(proxy)
    client = gateway.joined(site["trickle"])
    exactly(client, 10)

    gateway.process.signal(15)

    with client, pytest.raises(ConnectionResetError):
        to_end(client)
    assert gateway.process.wait(10) == 0
    gateway.process._popen.returncode = None


def sent_until_full(writer):
    """Return the bytes that were sent before nobody took more for a second."""
    writer.settimeout(1)
    sent = 0
    try:
        while sent < STALLED:
            sent += writer.send(bytes(65536))
    except TimeoutError:
        pass
    return sent


@pytest.mark.parametrize("stalled", ["client", "target"])
def test_a_stalled_reader_holds_little_memory_and_stalls_no_other(gateway, site, stalled):
    before = gateway.held.memory
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = gateway.joined(server.getsockname()[1])
        target, _ = server.accept()
        writer = target if stalled == "client" else client
        writer.settimeout(1)
        assert sent_until_full(writer) < STALLED
        with gateway.joined(site["echo"]) as other:
            other.sendall(b"alive")
            assert exactly(other, 5) == b"alive"
        assert gateway.held.memory - before < GROWTH_BYTES
        client.close()
        target.close()


def test_too_many_clients_are_closed_at_once_and_later_ones_are_served(gateway_of, proxy, site):
    gateway = gateway_of(proxy, GATEWAY_MAX_CLIENTS="2")
    first, second = gateway.joined(site["echo"]), gateway.joined(site["echo"])
    with gateway.client() as third:
        assert third.recv(1) == b""
    eventually(lambda: gateway.process.stderr.count("GATEWAY_MAX_CLIENTS=2") == 1)
    first.close()
    second.close()

    def served():
        try:
            return gateway.joined(site["echo"])
        except (AssertionError, OSError):
            return None

    eventually(served).close()


def test_a_slow_request_is_ended_in_time(gateway_of, proxy):
    gateway = gateway_of(proxy, GATEWAY_HANDSHAKE_TIMEOUT_S="1")
    with gateway.client() as silent, gateway.client() as slow:
        slow.sendall(b"GET http")
        began = time.monotonic()
        assert to_end(silent) == b""
        assert to_end(slow).startswith(b"HTTP/1.1 408 ")
        assert 0.5 < time.monotonic() - began < 5


def test_a_password_is_asked_for_in_each_protocol(gateway_of, proxy, site):
    gateway = gateway_of(proxy, GATEWAY_USER="me", GATEWAY_PASSWORD="secret")
    with gateway.client() as client:
        client.sendall(b"\x05\x02\x00\x02")
        assert exactly(client, 2) == b"\x05\x02"
        client.sendall(b"\x01\x02me\x06secret" + socks5_request("127.0.0.1", site["echo"]))
        assert exactly(client, 4) == b"\x01\x00\x05\x00"
    with gateway.client() as client:
        assert http_connect(client, "127.0.0.1", site["echo"]) == 407
    with gateway.client() as client:
        assert socks4a(client, "127.0.0.1", site["echo"]) == 0x5B


def test_hostile_bytes_neither_end_nor_stall_the_gateway(gateway, site, seed):
    chance = random.Random(seed)
    valid = [
        b"\x05\x01\x00" + socks5_request("127.0.0.1", site["echo"]) + b"data",
        b"\x04\x01\x00\x50\0\0\0\1me\0localhost\0data",
        b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nA: b\r\n\r\ndata" % site["echo"],
        b"POST http://127.0.0.1:%d/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % site["http"]
        + b"5\r\nhello\r\n0\r\n\r\n",
    ]
    for number in range(HOSTILE):
        data = mutated(chance.choice(valid), chance)
        client = gateway.client()
        client.settimeout(0.05)
        try:
            client.sendall(data)
            if chance.random() < 0.5:
                client.shutdown(socket.SHUT_WR)
            client.recv(100)
        except OSError:
            pass  # a refusal, a reset, or it waits for more
        client.close()
        assert gateway.process.exit_code is None, (seed, number, data)
    with gateway.joined(site["echo"]) as client:
        client.sendall(b"alive")
        assert exactly(client, 5) == b"alive"


def mutated(data, chance):
    """Return the bytes with some of them changed, cut, or repeated."""
    found = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                found[at : at + 1] = chance.randbytes(1)
            case 1:
                del found[at:]
                found += chance.randbytes(chance.randrange(50))
            case 2:
                found[at:at] = chance.randbytes(chance.randrange(300))
            case _:
                found += found[:at] * 2
    return bytes(found) or b"\0"
