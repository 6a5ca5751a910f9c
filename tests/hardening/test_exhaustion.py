"""Unauthenticated peers use up file descriptors and CPU time: open tunnels go on."""

import json
import socket
import threading
import time
from contextlib import ExitStack, suppress

from lab.waiting import eventually
from support.hardening.bystander import Bystander
from support.hardening.device import Device, connecting, control, data, hello
from support.hardening.proxy import COMMAND, TOKEN

FEW_DESCRIPTORS = 64
PEERS = 100
GUESSERS, GUESSES = 40, 5
WAIT_SECONDS = 5.0
SHOUTERS = 16
# Of all that a frame can hold, what takes longest to read: lists as deep as is allowed.
COSTLY = control(type="x", value=[json.loads("[" * 60 + "]" * 60)] * 530)


def test_unauthenticated_peers_that_use_all_descriptors_end_no_tunnel(
    proxy_with, bystander_of, device_of, site
):
    limited = ["prlimit", f"--nofile={FEW_DESCRIPTORS}:{FEW_DESCRIPTORS}", *COMMAND]
    proxy = proxy_with(command=limited, HANDSHAKE_TIMEOUT_S=2)
    with bystander_of(proxy):
        with ExitStack() as stack:
            for _ in range(PEERS):
                with suppress(OSError):
                    address = ("127.0.0.1", proxy.port)
                    stack.enter_context(socket.create_connection(address, 0.5))
            time.sleep(1)
        assert proxy.alive
        eventually(lambda: is_served(proxy, device_of, site), 10)


def is_served(proxy, device_of, site):
    try:
        device = device_of(proxy, TOKEN)
        device.send(connecting(2, site["echo"]), data(2, b"alive"))
        return device.read_bytes(2, 5) == b"alive"
    except OSError:
        return False


def test_unauthenticated_peers_that_send_expensive_json_do_not_starve_others(
    proxy_with, bystander_of, context
):
    proxy = proxy_with()
    stopping = threading.Event()

    def shout():
        while not stopping.is_set():
            with suppress(OSError), Device(proxy.port, context) as device:
                while True:  # until the proxy has had enough of it
                    device.send(COSTLY)

    with bystander_of(proxy, longest_wait=WAIT_SECONDS) as bystander:
        shouters = [threading.Thread(target=shout) for _ in range(SHOUTERS)]
        for thread in shouters:
            thread.start()
        before = bystander.nbytes
        time.sleep(4)
        assert bystander.nbytes > before
        stopping.set()
        for thread in shouters:
            thread.join(20)


def test_token_guesses_that_need_cpu_time_do_not_block_transfers(
    proxy_with, device_of, context, site, account_of_kim
):
    auth_file, token = account_of_kim
    proxy = proxy_with(AUTH_HARDCODED=None, AUTH_FILE=auth_file)
    with Bystander(proxy.port, context, token, site["echo"], longest_wait=WAIT_SECONDS):
        guessers = [device_of(proxy) for _ in range(GUESSERS)]
        for number, device in enumerate(guessers):
            with suppress(OSError):  # turned away for the guesses before
                device.send(*(hello(f"guess-{number}-{each}") for each in range(GUESSES)))
        time.sleep(2)
        began = time.monotonic()
        assert device_of(proxy).authenticate(token) == {"authed": True}
        assert time.monotonic() - began < WAIT_SECONDS
