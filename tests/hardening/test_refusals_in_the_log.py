"""Health checks, scanners and bursts are all counted, but cause few log lines."""

import socket
import struct
from contextlib import suppress

import pytest

from lab.waiting import eventually
from support.hardening.device import Device, hello

TIMES = 40
FEW = 4  # the first of a kind, and a sum for each interval that a slow machine may need


def told(lines):
    return sum(line.get("count", 1) for line in lines)


def stopped(proxy):
    proxy.terminate()
    assert proxy.process.wait(20) == 0


def check_port(port, say=b"", reset=False):
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(say)
        if reset:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


CHECKS = "tcp_checks_total"
HEADER = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n"


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "reset"])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, b""),
        ({"PROXY_PROTOCOL_FROM": "127.0.0.0/8"}, b""),
        ({"PROXY_PROTOCOL_FROM": "127.0.0.0/8"}, HEADER),
    ],
    ids=["plain", "no header", "header"],
)
def test_connections_without_data_are_counted_separately(proxy_with, settings, said, reset):
    proxy = proxy_with(ADMIN_PORT=0, **settings)
    for _ in range(TIMES):
        check_port(proxy.port, said, reset)
    eventually(lambda: proxy.metric(CHECKS) == TIMES, what=lambda: proxy.metric(CHECKS))
    assert proxy.metric('tunnels_closed_total{outcome="handshake_failed"}') == 0
    stopped(proxy)
    assert not proxy.log.events("tunnel_closed")
    assert not proxy.log.events("tcp_check")
    assert not proxy.log.events("proxy_header_refused")


def test_connections_without_data_are_logged_at_debug(proxy_with):
    proxy = proxy_with(LOG_LEVEL="debug")
    check_port(proxy.port)
    (line,) = eventually(lambda: proxy.log.events("tunnel_closed"))
    assert (line["level"], line["outcome"], line["error"]) == ("debug", "nothing_sent", None)


def test_scanners_cause_few_log_lines(proxy_with):
    proxy = proxy_with(ADMIN_PORT=0)
    for _ in range(TIMES):
        check_port(proxy.port, b"GET / HTTP/1.0\r\n\r\n")
    failed = 'tunnels_closed_total{outcome="handshake_failed"}'
    eventually(lambda: proxy.metric(failed) == TIMES)
    stopped(proxy)
    lines = proxy.log.events("tunnel_closed", outcome="handshake_failed")
    assert told(lines) == TIMES
    assert len(lines) <= FEW
    assert lines[0]["error"] == "TP2002"


def test_a_burst_above_a_limit_causes_few_log_lines(proxy_with, device_of):
    proxy = proxy_with(ADMIN_PORT=0, MAX_TUNNELS=1)
    device_of(proxy, "DEV-CRED")
    for _ in range(TIMES):
        check_port(proxy.port)
    eventually(lambda: proxy.metric('refusals_total{reason="too_many_tunnels"}') == TIMES)
    stopped(proxy)
    lines = proxy.log.events("tunnel_refused")
    assert told(lines) == TIMES
    assert len(lines) <= FEW


def test_one_device_with_a_wrong_token_causes_few_log_lines(proxy_with, context):
    proxy = proxy_with(ADMIN_PORT=0, MAX_WRONG_TOKENS=1000)
    for _ in range(TIMES):
        with Device(proxy.port, context) as device, suppress(OSError):
            device.send(hello("wrong"))
            device.said()
    eventually(lambda: proxy.metric('tunnels_closed_total{outcome="ended"}') == TIMES)
    stopped(proxy)
    assert told(proxy.log.events("tunnel_refused")) == TIMES
    assert told(proxy.log.events("tunnel_closed")) == TIMES
    assert len(proxy.log.events("tunnel_refused")) <= 2 * FEW  # wrong, then a penalty
    assert len(proxy.log.events("tunnel_closed")) <= 2 * FEW


def test_balancers_without_a_valid_header_cause_few_log_lines(proxy_with):
    proxy = proxy_with(ADMIN_PORT=0, PROXY_PROTOCOL_FROM="127.0.0.0/8")
    for _ in range(TIMES):
        check_port(proxy.port, b"not a header at all\r\n")
    eventually(lambda: proxy.metric('refusals_total{reason="proxy_header"}') == TIMES)
    stopped(proxy)
    lines = proxy.log.events("proxy_header_refused")
    assert told(lines) == TIMES
    assert len(lines) <= FEW
