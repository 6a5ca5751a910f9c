"""Standard error is blocked: the service goes on, and its end waits only a short time."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from lab.waiting import eventually
from support.hardening.device import Device, connecting, data
from support.hardening.proxy import TOKEN
from tessel_service_kit.output import FLUSH_S

BESIDE = Path(sys.executable).parent
PIPE_BYTES = 64 * 1024
STOP_SECONDS = 10.0
AT_ONCE = 50  # substreams, far below a tunnel's limit


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def environment(**settings):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **{name: str(value) for name, value in settings.items()}}


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def start():
    """Start a command with this as its standard error."""
    started = []

    def begin(command, environ, stderr):
        started.append(subprocess.Popen(command, env=environ, stderr=stderr))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait(STOP_SECONDS)


class DeadEnds:
    """Ways to block standard error, each as an argument for Popen and a wrapper command."""

    @staticmethod
    def unread():
        reader, writer = os.pipe()
        os.write(writer, bytes(PIPE_BYTES))
        return writer, (reader, writer)

    @staticmethod
    def abandoned():
        reader, writer = os.pipe()
        os.close(reader)
        return writer, (writer,)

    @staticmethod
    def full_disk():
        full = os.open("/dev/full", os.O_WRONLY)
        return full, (full,)

    @staticmethod
    def terminal():
        master, slave = os.openpty()
        os.close(master)  # it hung up
        return slave, (slave,)


@pytest.fixture(params=["unread", "abandoned", "full_disk", "terminal", "closed"])
def dead_end(request):
    """Yield the `stderr` for Popen, and the words to put before a command."""
    if request.param == "closed":
        yield None, ["sh", "-c", 'exec "$@" 2>&-', "sh"]
        return
    stderr, descriptors = getattr(DeadEnds, request.param)()
    yield stderr, []
    for each in descriptors:
        os.close(each)


class Proxy:
    """`tessel-proxy` on fixed ports, because its log cannot be read."""

    def __init__(self, start, authority, folder, stderr, before=()):
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        self.port, self.admin_port = free_port(), free_port()
        environ = environment(
            HOST="127.0.0.1",
            PORT=self.port,
            ADMIN_PORT=self.admin_port,
            CERT_FILE=folder / "cert.pem",
            KEY_FILE=folder / "key.pem",
            AUTH_HARDCODED=TOKEN,
            EGRESS_ALLOW="127.0.0.0/8",
            LOG_FORMAT="json",
            OPENS_PER_S=100_000,
            DRAIN_S=1,
        )
        self.process = start([*before, BESIDE / "tessel-proxy"], environ, stderr)
        eventually(lambda: is_open(self.port), 20)

    def asked(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as it:
            return it.read().decode()

    def dropped(self):
        found = re.search(
            r"^tessel_proxy_log_lines_dropped_total (.+)$", self.asked("/metrics"), re.MULTILINE
        )
        return int(float(found[1]))

    def stop_s(self):
        """Stop it; return the seconds that this takes."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(STOP_SECONDS) == 0
        return time.monotonic() - began


def write_lines(device, closed_port, count):
    """Let the proxy write so many log lines, by connections that fail."""
    for first in range(10, 10 + 2 * count, 2 * AT_ONCE):
        channels = range(first, first + 2 * AT_ONCE, 2)
        device.send(*(connecting(channel, closed_port) for channel in channels))
        left = set(channels)
        while left:
            channel, said = device.said()
            if said.get("emitArgs") == ["close"]:
                left.discard(channel)


def echo(device):
    device.send(data(2, b"alive"))
    return device.read_bytes(2, 5) == b"alive"


@pytest.fixture
def device_with_echo(context, site):
    devices = []

    def connect(proxy):
        device = Device(proxy.port, context)
        devices.append(device)
        assert device.authenticate(TOKEN) == {"authed": True}
        device.send(connecting(2, site["echo"]))
        assert echo(device)
        return device

    yield connect
    for device in devices:
        device.socket.close()


def test_a_stalled_reader_blocks_nothing_and_gets_the_number_of_dropped_lines_later(
    start, authority, tmp_path, device_with_echo
):
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as log:  # noqa: PTH123 -- a descriptor
        proxy = Proxy(start, authority, tmp_path, writer)
        os.close(writer)
        device = device_with_echo(proxy)
        nobody = free_port()
        eventually(lambda: write_lines(device, nobody, 500) or proxy.dropped(), 60)
        assert echo(device)
        device_with_echo(proxy)  # a new tunnel
        assert proxy.asked("/healthz") == "ok\n"

        lines, data = [], b""
        while not any(line["event"] == "log_dropped" for line in lines):
            data += log.read(1024 * 1024)
            *whole, data = data.split(b"\n")
            lines += map(json.loads, whole)
        (report,) = [line for line in lines if line["event"] == "log_dropped"]
        assert report["count"] == proxy.dropped()
        proxy.process.terminate()
        assert b'"event":"stopping"' in log.read(1024 * 1024)
        assert proxy.process.wait(STOP_SECONDS) == 0


def test_a_blocked_standard_error_affects_no_device(
    start, authority, tmp_path, device_with_echo, dead_end
):
    stderr, before = dead_end
    proxy = Proxy(start, authority, tmp_path, stderr, before)
    device = device_with_echo(proxy)
    write_lines(device, free_port(), 100)
    assert echo(device)
    device.socket.close()
    assert proxy.stop_s() < 1 + FLUSH_S + 3


def test_the_token_service_answers_though_standard_error_is_blocked(start, dead_end):
    stderr, before = dead_end
    port = free_port()
    environ = environment(PORT=port, SEED_API_KEY="key")
    process = start([*before, BESIDE / "tessel-oauth"], environ, stderr)
    eventually(lambda: is_open(port), 20)
    for _ in range(1000):  # some 100 bytes of the log each
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/users/profile", timeout=5)
        refused.value.close()
    process.terminate()
    assert process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_a_key_that_cannot_be_printed_is_reported_and_the_service_runs(start, tmp_path, where):
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        command = ["sh", "-c", f'exec "$@" {where}', "sh", BESIDE / "tessel-oauth"]
        process = start(command, environment(PORT=0), stderr)
        eventually(lambda: " listening " in log.read_text(), 20, log.read_text)
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0
    assert "`tessel-oauth renew-key tessel-dev` makes another one" in log.read_text()
    assert "Traceback" not in log.read_text()


PROGRAM = """
from tessel import net

def talk(left):
    socket = net.connect(server.address()["port"], "127.0.0.1", lambda: socket.end())
    socket.on("close", lambda *_: talk(left - 1) if left else server.close())

server = net.create_server(lambda socket: socket.resume())
server.listen(0, lambda: talk(700))
"""


def test_a_device_program_runs_though_its_debug_output_is_not_read(start, tmp_path, dead_end):
    stderr, before = dead_end
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environ = environment(RADIO="host", _PROXY_DBG="1")
    process = start([*before, BESIDE / "tessel", "run", program], environ, stderr)
    assert process.wait(60) == 0
