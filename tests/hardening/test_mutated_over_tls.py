"""5,000 mutated dialogues over real TLS, during a transfer, do not affect the process."""

import re
import socket
import threading
from dataclasses import replace

import pytest

from lab.waiting import eventually
from support.hardening.device import ANSWER_SECONDS, Device
from support.hardening.mutations import Mutations

INPUTS = 5_000
WARM_UP = 500
SENDERS = 4  # at a time
MEMORY_TOLERANCE_BYTES = 12 * 1024 * 1024
DESCRIPTORS_TOLERANCE = 2
PORT = re.compile(rb'"_pls_connect",[0-9]+')


def on_the_site(site):
    """Replace recorded targets by the echo, so that no other port of this machine is used."""
    real = b'"_pls_connect",%d' % site["echo"]
    return lambda frame: replace(frame, payload=PORT.sub(real, frame.payload))


class Senders:
    """Devices that send the inputs one after the other, each over a new connection."""

    def __init__(self, port, context, mutations):
        self._port, self._context, self._mutations = port, context, mutations
        self.kept = []  # inputs whose connection the proxy would not let go of

    def send(self, numbers):
        todo = iter(numbers)
        lock = threading.Lock()

        def work():
            while (number := self._next(todo, lock)) is not None:
                self._send_one(number)

        threads = [threading.Thread(target=work) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _next(self, todo, lock):
        with lock:
            return next(todo, None)

    def _send_one(self, number):
        with Device(self._port, self._context) as device:
            try:
                device.send(self._mutations.mutated(number))
                self._read_to_the_end(device.socket)
            except TimeoutError:
                self.kept.append(self._mutations.name(number))
            except OSError:
                pass  # the proxy has cut it already, as it should

    def _read_to_the_end(self, tls):
        """Close without close_notify, so that the proxy reads everything before the end."""
        tls.settimeout(ANSWER_SECONDS)
        tls.shutdown(socket.SHUT_WR)
        while tls.recv(65_536):
            pass


@pytest.mark.timeout(400)  # so much to do takes long where others work as well
def test_mutated_dialogues_over_tls_affect_neither_the_process_nor_other_tunnels(
    proxy_with, bystander_of, context, site, seed
):
    # Names that chance makes up are nobody's, and nothing beyond this machine is called on.
    proxy = proxy_with(**only_the_echo(site))
    senders = Senders(proxy.port, context, Mutations(seed, on_the_site(site)))
    with bystander_of(proxy):
        senders.send(range(WARM_UP))
        before = settled(proxy)
        senders.send(range(WARM_UP, INPUTS))
        after = settled(proxy)
        assert senders.kept == []
        assert proxy.alive
        assert after.descriptors - before.descriptors <= DESCRIPTORS_TOLERANCE
        assert after.memory - before.memory < MEMORY_TOLERANCE_BYTES


def only_the_echo(site):
    return {
        "EGRESS_ALLOW": f"127.0.0.1:{site['echo']}",
        "EGRESS_DENY": "0.0.0.0/2 64.0.0.0/3 96.0.0.0/4 112.0.0.0/5 120.0.0.0/6 124.0.0.0/7 "
        "126.0.0.0/8 128.0.0.0/1 ::/0",
    }


def settled(proxy):
    """Return what the process holds when the last connections are closed."""
    held = []

    def same_twice():
        held.append(proxy.held)
        return len(held) > 10 and len({each.descriptors for each in held[-10:]}) == 1

    eventually(same_twice)
    return held[-1]
