"""The operator's API while watchers misbehave, workers hang or die, and the proxy stops."""

import os
import re
import signal
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from lab.waiting import eventually
from support.hardening.growth import Held
from support.hardening.operating import TOKEN, Operator
from support.hardening.workers import worker_pids
from tessel_proxy.fleet.asking import ANSWER_S

OPERATED = {"ADMIN_PORT": 0, "ADMIN_TOKEN": TOKEN}
MORE_S = 1.5  # on a busy machine


def watching(operator, topics="totals"):
    """Open a stream of events; return its socket, which has the first bytes to read."""
    stream = socket.create_connection(operator.address, timeout=10)
    head = f"GET /api/v1/events?topics={topics} HTTP/1.1\r\nHost: x\r\n"
    stream.sendall(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    return stream


@pytest.fixture
def watch():
    """Return a function that opens a stream, which is closed at the end."""
    with ExitStack() as stack:
        yield lambda *asked: stack.enter_context(watching(*asked))


def test_a_thousand_watchers_are_refused_beyond_the_limit(proxy_with, watch):
    proxy = proxy_with(**OPERATED)
    operator = Operator(proxy)
    kept = [watch(operator) for _ in range(32)]
    assert all(each.recv(1000).startswith(b"HTTP/1.1 200 ") for each in kept)
    before = Held.by(proxy.process.id)
    for _ in range(1000 - len(kept)):
        with watching(operator) as refused:
            head = refused.recv(1000)
        assert head.startswith(b"HTTP/1.1 503 ")
        assert re.search(rb"(?i)\r\nretry-after: 30\r\n", head)
    after = Held.by(proxy.process.id)
    assert after.descriptors <= before.descriptors + 2
    assert after.memory - before.memory < 4 * 1024 * 1024
    assert all(each.recv(10_000) for each in kept)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_ends_open_streams(proxy_with, watch, workers):
    proxy = proxy_with(WORKERS=workers, DRAIN_S=0, **OPERATED)
    operator = Operator(proxy)
    streams = [watch(operator, "tunnels,totals,proxies") for _ in range(3)]
    assert all(each.recv(100) for each in streams)
    proxy.terminate()
    began = time.monotonic()
    eventually(lambda: not proxy.alive, 10)
    assert time.monotonic() - began < 5
    for each in streams:
        while has_more(each):
            pass


def has_more(stream):
    try:
        return stream.recv(65536)
    except ConnectionError:
        return b""


@pytest.fixture
def workers_proxy(proxy_with):
    return proxy_with(WORKERS=2, **OPERATED)


def test_a_worker_that_hangs_is_missing_in_answers(workers_proxy):
    operator = Operator(workers_proxy)
    stopped, _other = worker_pids(workers_proxy)
    rows = eventually(lambda: two(operator.get("proxies")["proxies"]))
    (name,) = [row["member"] for row in rows if row["pid"] == stopped]
    os.kill(stopped, signal.SIGSTOP)
    try:
        for resource in ("tunnels", "accounts", "proxies", "history"):
            began = time.monotonic()
            assert operator.get(resource)["missing"] == [name]
            assert time.monotonic() - began < ANSWER_S + MORE_S
        ended = operator.post("end", account="a", reason="x")
        assert (ended["missing"], len(ended["confirmed"])) == ([name], 1)
    finally:
        os.kill(stopped, signal.SIGCONT)
    eventually(lambda: operator.get("tunnels")["missing"] == [])


def two(rows):
    return rows if len(rows) == 2 else None


def test_a_worker_that_dies_during_a_question_is_missing_at_once(workers_proxy):
    workers_proxy.expected_faults = ["worker_died"]
    operator = Operator(workers_proxy)
    eventually(lambda: two(operator.get("proxies")["proxies"]))
    victim = worker_pids(workers_proxy)[0]
    os.kill(victim, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()
    began = time.monotonic()
    assert len(operator.get("tunnels")["missing"]) == 1
    assert time.monotonic() - began < ANSWER_S
    eventually(lambda: two(operator.get("proxies")["proxies"]), 20)
    assert operator.get("tunnels")["missing"] == []
