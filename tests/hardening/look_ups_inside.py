"""Tests that test_name_servers.py runs in a network with a name server of its own."""

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support import name_server as server_for_tests
from support.hardening.device import connecting
from support.hardening.proxy import TOKEN

SOON_S = 2.0  # the system's resolver alone takes 5 s and more
CONNECT_TIMEOUT_S = 6
FOUR, SIX, INSIDE = "127-0-0-1", "--1", "fd00--1"
CONNECTED = "connect"

FOUND = [
    (FOUR, SIX),
    (FOUR, "none"),
    (FOUR, "nxdomain"),
    (FOUR, "servfail"),
    (FOUR, "refused"),
    (FOUR, "silent"),
    ("none", SIX),
    ("nxdomain", SIX),
    ("servfail", SIX),
    ("refused", SIX),
    ("silent", SIX),
]
NOT_THERE = [("none", "none"), ("nxdomain", "nxdomain"), ("none", "nxdomain"), ("nxdomain", "none")]
NOBODY_SAYS = [
    ("servfail", "servfail"),
    ("refused", "refused"),
    ("servfail", "refused"),
    ("none", "servfail"),
    ("none", "refused"),
    ("nxdomain", "servfail"),
    ("servfail", "none"),
    ("refused", "nxdomain"),
]
UNANSWERED = [("silent", "silent"), ("none", "silent"), ("silent", "servfail")]
EXPECTED = [
    *((rules, CONNECTED) for rules in FOUND),
    *((rules, "ENOTFOUND") for rules in NOT_THERE),
    *((rules, "EAI_AGAIN") for rules in NOBODY_SAYS + UNANSWERED),
]


def named(four, six, *labels):
    return ".".join([*labels, f"a-{four}", f"aaaa-{six}", "test"])


@pytest.fixture(scope="module", autouse=True)
def name_server():
    with subprocess.Popen(
        [sys.executable, server_for_tests.__file__], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout.readline() == b"ready\n"
        yield
        server.kill()


@pytest.fixture(scope="module")
def target():
    """A port at 127.0.0.1 and ::1 that accepts every connection."""
    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)

    def accept():
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture
def device(proxy_with, device_of):
    return device_of(proxy_with(CONNECT_TIMEOUT_S=CONNECT_TIMEOUT_S), TOKEN)


class Asked:
    """Connections of a device, with result and time of each."""

    def __init__(self, device, names, port):
        self._began = time.monotonic()
        channels = {2 * (number + 1): name for number, name in enumerate(names)}
        device.send(*(connecting(channel, port, name) for channel, name in channels.items()))
        device.socket.settimeout(CONNECT_TIMEOUT_S + 5)
        self.outcomes, self.seconds = {}, {}
        while len(self.outcomes) < len(channels):
            channel, said = device.said()
            outcome = self._outcome(said)
            if outcome is not None and channels[channel] not in self.outcomes:
                self.outcomes[channels[channel]] = outcome
                self.seconds[channels[channel]] = time.monotonic() - self._began

    @staticmethod
    def _outcome(said):
        if said["event"] == "error":
            return said["message"].split(" ")[1]
        return CONNECTED if said.get("emitArgs") == ["connect"] else None


def test_each_name_gets_its_result_in_time(device, target):
    expected = {named(*rules): outcome for rules, outcome in EXPECTED}
    asked = Asked(device, expected, target)
    assert asked.outcomes == expected
    slow = {named(*rules) for rules in UNANSWERED}
    assert {name: took for name, took in asked.seconds.items() if took > SOON_S} == {
        name: took for name, took in asked.seconds.items() if name in slow and took > SOON_S
    }
    assert max(asked.seconds.values()) < CONNECT_TIMEOUT_S + 2


def test_names_whose_ipv6_query_is_never_answered_are_found_each_time(device, target):
    names = [named(FOUR, "silent", f"host{number}") for number in range(10)]
    asked = Asked(device, names, target)
    assert set(asked.outcomes.values()) == {CONNECTED}
    assert max(asked.seconds.values()) < SOON_S
    for number in range(20):
        channel = 2 * (len(names) + number + 1)
        began = time.monotonic()
        device.send(connecting(channel, target, names[0]))
        while device.said() != (channel, {"event": "custom", "emitArgs": ["connect"]}):
            assert time.monotonic() - began < SOON_S


def test_aliases_are_followed(device, target):
    names = [named(FOUR, "none", "alias"), named(FOUR, "silent", "alias")]
    assert set(Asked(device, names, target).outcomes.values()) == {CONNECTED}


def test_every_dialled_address_is_checked(device, target):
    bad = [
        named("10-0-0-1", "silent"),
        named("servfail", INSIDE),
        named(FOUR, INSIDE),
        named("10-0-0-1", SIX, "alias"),
    ]
    assert set(Asked(device, bad, target).outcomes.values()) == {"EACCES"}


PROGRAM = """
import json, sys, time
from tessel import dns, net

names, port = json.loads(sys.argv[1]), int(sys.argv[2])
began, told = time.monotonic(), {}

def tell(name, outcome):
    told.setdefault(name, [outcome, time.monotonic() - began])
    if len(told) == len(names):
        print(json.dumps(told))
        sys.stdout.flush()
        sys.exit(0)

def ask(name):
    socket = net.connect(port, name)
    socket.on("connect", lambda: (tell(name, "connect"), socket.destroy()))
    socket.on("error", lambda error: tell(name, error.code))

for name in names:
    ask(name)
"""


def test_a_device_without_a_proxy_gets_the_same_results(tmp_path, target):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    expected = {named(*rules): outcome for rules, outcome in EXPECTED if rules not in UNANSWERED}
    command = Path(sys.executable).with_name("tessel")
    done = subprocess.run(
        [command, "run", program, json.dumps(list(expected)), str(target)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"RADIO": "host", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {name: outcome for name, (outcome, _) in told.items()} == expected
    assert max(took for _, took in told.values()) < SOON_S
