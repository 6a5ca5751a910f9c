"""A proxy of several workers: its processes, and devices that come and go all the time."""

import os
import signal
import threading
import time
from pathlib import Path

from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import Device, connecting, data
from support.hardening.proxy import TOKEN

ECHOED = b"a few bytes" * 100


def worker_pids(proxy):
    """Return the process ids of the workers, draining ones included, the oldest first."""
    tasks = Path(f"/proc/{proxy.process.id}/task").glob("*/children")
    pids = [int(pid) for each in tasks for pid in each.read_text().split()]
    return sorted(pids)


def wait_for_workers(proxy, count, within=30.0):
    """Wait until that many workers have served since the start of the proxy."""
    eventually(
        lambda: len(proxy.log.events("worker_serves")) >= count,
        within,
        lambda: proxy.process.stderr,
    )


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Comers:
    """Threads that connect, send and get some bytes, and leave, again and again.

    `refused` are connections that did not open, `cut` tunnels that were lost before they had their
    bytes, `served` counts the others.
    """

    def __init__(self, proxy, context, site, threads=2):
        self.served, self.slowest_s = 0, 0.0
        self.refused, self.cut = [], []
        self._proxy, self._context, self._site = proxy, context, site
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.served)
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a device waits for ever"

    def _run(self):
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                device = Device(self._proxy.port, self._context)
            except ConnectionRefusedError as error:
                self.refused.append(error)
                continue
            except OSError as error:  # in the TLS handshake
                self.cut.append(error)
                continue
            with device:
                self._use(device)
            with self._lock:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def _use(self, device):
        try:
            assert device.authenticate(TOKEN) == {"authed": True}
            device.send(connecting(2, self._site["echo"]), data(2, ECHOED))
            assert device.read_bytes(2, len(ECHOED)) == ECHOED
        except (GoneError, OSError) as lost:
            self.cut.append(lost)
        else:
            with self._lock:
                self.served += 1
