"""Names whose addresses change between two look-ups, and names without an answer."""

import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from support.hardening.device import connecting, data
from support.hardening.proxy import TOKEN
from support.proxy_in_memory import PUBLIC, Stage

ODD_NAMES = [sys.executable, "-m", "support.hardening.odd_names"]
TESTS = str(Path(__file__).parents[1])
ALLOWED, DENIED = "127.0.0.2", "127.0.0.1"
DEAD_NAMES = 10
AT_ONCE_SECONDS = 2.0  # the dead ones take ten times as long


class Counting:
    """A listener that counts connections and sends a word to each."""

    def __init__(self, host, port=0):
        self._listener = socket.create_server((host, port))
        self.port = self._listener.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            with peer:
                peer.sendall(b"hello")

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def two_hosts():
    """The same port on an address that is allowed and on one that is denied."""
    allowed = Counting(ALLOWED)
    denied = Counting(DENIED, allowed.port)
    yield allowed, denied
    allowed.close()
    denied.close()


def test_a_name_that_changes_its_address_never_gets_the_denied_one(
    proxy_with, device_of, two_hosts
):
    allowed, denied = two_hosts
    proxy = proxy_with(command=ODD_NAMES, EGRESS_ALLOW=ALLOWED, PYTHONPATH=TESTS)
    device = device_of(proxy, TOKEN)
    told = []
    for channel in range(2, 42, 2):
        device.send(connecting(channel, allowed.port, "rebinding.test"))
        told.append(device.events(channel))
    refusal = f"connect EACCES rebinding.test:{allowed.port}"
    assert told == [
        ["lookup", "connect", "end", "close"],
        ["lookup", refusal, "end", "close"],
    ] * (len(told) // 2), "an open looked its name up more than once"
    assert (allowed.visits, denied.visits) == (len(told) // 2, 0)


def test_a_name_with_one_denied_address_is_refused(proxy_with, device_of, two_hosts):
    allowed, denied = two_hosts
    proxy = proxy_with(command=ODD_NAMES, EGRESS_ALLOW=ALLOWED, PYTHONPATH=TESTS)
    device = device_of(proxy, TOKEN)
    device.send(connecting(2, allowed.port, "both.test"))
    assert device.events(2) == [
        "lookup",
        f"connect EACCES both.test:{allowed.port}",
        "end",
        "close",
    ]
    assert allowed.visits == denied.visits == 0


def test_the_checked_address_is_the_dialled_one():
    stage = Stage()
    stage.authenticate()
    stage.connect(host="rebinding.test")
    stage.connect(host="rebinding.test")
    stage.resolver.answer("rebinding.test", PUBLIC)
    stage.resolver.answer("rebinding.test", "169.254.169.254")
    stage.pump()
    assert [dial.host for dial in stage.dials] == [PUBLIC]


def test_ten_names_without_answer_do_not_delay_another_name(
    proxy_with, device_of, bystander_of, site
):
    proxy = proxy_with(command=ODD_NAMES, PYTHONPATH=TESTS)
    own, other = device_of(proxy, TOKEN), device_of(proxy, TOKEN)
    with bystander_of(proxy):
        for number in range(DEAD_NAMES):
            own.send(connecting(2 + 2 * number, 80, f"dead-{number}.test"))
        time.sleep(0.2)
        for device in (own, other):  # the device that asked for the dead ones, and one beside it
            began = time.monotonic()
            device.send(connecting(100, site["echo"], "live.test"), data(100, b"alive"))
            assert device.read_bytes(100, 5) == b"alive"
            assert time.monotonic() - began < AT_ONCE_SECONDS
