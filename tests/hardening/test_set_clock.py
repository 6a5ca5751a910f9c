"""The machine's clock is set by an hour while the processes run: no timer is affected."""

import json
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from contextlib import closing, suppress
from pathlib import Path

import pytest

from lab.processes import Process
from lab.service_log import ServiceLog
from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import connecting, control, data
from support.hardening.proxy import TOKEN
from support.hardening.relay import Relay
from support.set_clock import SetClock

HOUR_S = 3600
SOON_S = 8.0  # a limit of one or two seconds has passed by then, on a shared machine, too
BESIDE = Path(sys.executable).parent

either_way = pytest.mark.parametrize("offset_s", [-HOUR_S, HOUR_S], ids=["back", "ahead"])


@pytest.fixture
def clock(tmp_path):
    return SetClock(tmp_path)


@pytest.fixture
def proxy_on(proxy_with, clock):
    """A proxy whose clock can be set."""
    return lambda **settings: proxy_with(**clock.environ, **settings)


@pytest.fixture
def dead_end():
    """A port that neither accepts nor refuses: the queue of its listener is full."""
    with closing(socket.socket()) as listener, closing(socket.socket()) as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def dialling_of(device_of, site):
    """Return a device whose substream 2 is connecting to a port; a later message was answered."""

    def dial(proxy, port):
        device = device_of(proxy, TOKEN)
        device.send(connecting(2, port), connecting(4, site["echo"]), data(4, b"!"))
        device.read_bytes(4, 1)
        return device

    return dial


def took_s(began):
    return time.monotonic() - began


# --- the proxy


def test_the_clock_of_the_process_is_set(proxy_on, clock, device_of):
    """Without this, the other tests would prove nothing."""
    proxy = proxy_on()
    clock.set(HOUR_S)
    device_of(proxy, TOKEN)
    eventually(lambda: proxy.log.tunnels)
    first, *_, last = (line["time"][:19] for line in proxy.log.lines)
    seconds = [time.mktime(time.strptime(each, "%Y-%m-%dT%H:%M:%S")) for each in (first, last)]
    assert HOUR_S <= seconds[1] - seconds[0] < HOUR_S + 60


@either_way
def test_a_connection_attempt_times_out_in_time(proxy_on, clock, dialling_of, dead_end, offset_s):
    began = time.monotonic()
    device = dialling_of(proxy_on(CONNECT_TIMEOUT_S=2), dead_end)
    clock.set(offset_s)
    assert "ETIMEDOUT" in device.events(2)[0]
    assert 1.5 < took_s(began) < SOON_S


@either_way
def test_an_unfinished_handshake_times_out_in_time(proxy_on, clock, device_of, offset_s):
    proxy = proxy_on(HANDSHAKE_TIMEOUT_S=2)
    with socket.create_connection(("127.0.0.1", proxy.port)) as silent:
        began = time.monotonic()
        device_of(proxy, TOKEN)  # the proxy takes connections in their order: it has the first
        clock.set(offset_s)
        device_of(proxy, TOKEN)  # and something wakes it up
        silent.settimeout(SOON_S)
        with suppress(ConnectionResetError):
            assert silent.recv(1) == b""
    assert 1.5 < took_s(began) < SOON_S


def test_a_device_that_does_not_answer_pings_is_closed_though_the_clock_is_set_back(
    proxy_on, clock, device_of
):
    proxy = proxy_on(PING_INTERVAL_S=1, PING_TIMEOUT_S=1)
    device = device_of(proxy)
    assert "ping/1" in device.authenticate(TOKEN, features=["ping/1"])["features"]
    clock.set(-HOUR_S)
    device.wait_until_gone(SOON_S)
    (closed,) = eventually(lambda: proxy.log.events("tunnel_closed"))
    assert closed["outcome"] == "silent"
    assert 1.5 < closed["seconds"] < SOON_S


def test_a_device_that_answers_pings_stays_though_the_clock_is_set_ahead(
    proxy_on, clock, device_of
):
    proxy = proxy_on(PING_INTERVAL_S=1, PING_TIMEOUT_S=5)
    device = device_of(proxy)
    device.authenticate(TOKEN, features=["ping/1"])
    for times in range(1, 4):
        asked = device.said()[1]
        assert asked["type"] == "ping"
        clock.set(times * HOUR_S)  # between a ping and its answer
        device_of(proxy, TOKEN)  # something wakes the proxy up
        device.send(control(type="pong", id=asked["id"]))


def test_a_changed_file_is_noticed_though_the_clock_is_set_back(proxy_on, clock, authority):
    proxy = proxy_on(RELOAD_LOOK_S=1)
    clock.set(-HOUR_S)
    proxy.issue(authority)
    eventually(lambda: proxy.log.events("reloaded"), SOON_S)


@either_way
def test_a_drain_ends_in_time(proxy_on, clock, device_of, site, offset_s):
    proxy = proxy_on(DRAIN_S=2)
    device = device_of(proxy, TOKEN)
    device.send(connecting(2, site["trickle"]))
    device.read_bytes(2, 1)
    began = time.monotonic()
    proxy.terminate()
    eventually(lambda: proxy.log.events("draining"))
    clock.set(offset_s)
    assert proxy.process.wait(30) == 0
    assert 1.5 < took_s(began) < SOON_S
    with pytest.raises(GoneError):
        device.read_bytes(2, 1_000_000)


def test_a_rate_limit_stays_the_same_though_the_clock_is_set_back(proxy_on, clock, device_of, site):
    rate = 50_000
    device = device_of(proxy_on(BYTES_PER_S=rate), TOKEN)
    device.send(connecting(2, site["source"]), data(2, b"100000000\n"))
    device.read_bytes(2, rate)
    clock.set(-HOUR_S)
    began = time.monotonic()
    device.read_bytes(2, 3 * rate)
    assert 1 < took_s(began) < SOON_S


# --- the device


@pytest.fixture
def program_on(tmp_path, clock):
    """Run a device program whose clock can be set; return the process."""
    started = []

    def run(text, **settings):
        path = tmp_path / "program.py"
        path.write_text(text)
        environ = {"RADIO": "host", **clock.environ, **{k: str(v) for k, v in settings.items()}}
        process = Process([BESIDE / "tessel", "run", path], environ, tmp_path, "program")
        started.append(process)
        return process

    yield run
    for process in started:
        process.stop()


TIMERS = """
from time import monotonic
from tessel import net, timers

began = monotonic()
server = net.create_server()
server.listen(0)

def connected():
    socket.set_timeout(1500)
    print("connected", flush=True)

def timed_out():
    print("idle", 1 < monotonic() - began < 8)
    socket.destroy()
    server.close()

socket = net.connect(server.address()["port"], "127.0.0.1", connected)
socket.on("timeout", timed_out)
timers.set_timeout(lambda: print("timer", 1 < monotonic() - began < 8), 2000)
timers.set_interval(lambda: None, 50).unref()  # something wakes the reactor up
"""


@either_way
def test_timers_of_a_device_program_fire_in_time(program_on, clock, offset_s):
    process = program_on(TIMERS)
    eventually(lambda: process.stdout, what=lambda: process.stderr)
    clock.set(offset_s)
    assert process.wait(SOON_S) == 0
    assert process.stdout.split() == ["connected", "idle", "True", "timer", "True"]


DOWNLOAD = """
import os
from tessel import net

socket = net.connect(int(os.environ["TARGET_PORT"]), "127.0.0.1")
socket.on("data", lambda bytes: print("data", flush=True))
socket.on("error", lambda error: print(error.code, flush=True))
"""


@pytest.fixture
def relay(proxy_with):
    """A relay between a device and a proxy."""
    relay = Relay(proxy_with().port)
    yield relay
    relay.close()


@pytest.fixture
def downloading_on(program_on, relay, authority, site, tmp_path):
    """A device program in the middle of a download."""
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(certificate)

    def start(**settings):
        process = program_on(
            DOWNLOAD,
            TARGET_PORT=site["trickle"],
            PROXY_HOST="localhost",
            PROXY_PORT=relay.port,
            PROXY_TOKEN=TOKEN,
            PROXY_CERT_FILE=certificate,
            PROXY_LOCAL=",",
            **settings,
        )
        eventually(lambda: "data" in process.stdout, what=lambda: process.stderr)
        return process

    return start


def test_a_silent_proxy_is_closed_though_the_clock_is_set_back(downloading_on, relay, clock):
    process = downloading_on(PING_INTERVAL_S=1, PING_TIMEOUT_S=1)
    relay.be_silent()
    clock.set(-HOUR_S)
    eventually(lambda: "ECONNRESET" in process.stdout, SOON_S, lambda: process.stdout)


# --- the token service


class TokenService:
    """`tessel-oauth` as a process."""

    def __init__(self, process):
        self._process = process
        self.port = eventually(self._listening, what=lambda: process.stderr)[0]["port"]

    def _listening(self):
        return ServiceLog.parsed(self._process.stderr).events("listening")

    def grant(self):
        basic = b64encode(b"tessel-proxy-dev:the-tessel-devenv").decode()
        form = {"grant_type": "https://tessel-grant", "api_key": "DEV-CRED"}
        status, answer = self._ask("/oauth/token", form, {"Authorization": f"Basic {basic}"})
        assert status == 200
        return answer["access_token"]

    def status_of(self, token):
        return self._ask("/users/profile", {"access_token": token}, {})[0]

    def _ask(self, path, form, headers):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", urllib.parse.urlencode(form).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=SOON_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None


@pytest.fixture
def token_service_on(tmp_path, clock):
    started = []

    def start(**settings):
        environ = {"PORT": "0", "LOG_FORMAT": "json", "SEED_API_KEY": "DEV-CRED", **clock.environ}
        environ |= {name: str(value) for name, value in settings.items()}
        started.append(Process([BESIDE / "tessel-oauth"], environ, tmp_path, "tessel-oauth"))
        return TokenService(started[-1])

    yield start
    for process in started:
        process.stop()


def test_a_token_expires_in_time_though_the_clock_is_set_back(token_service_on, clock):
    service = token_service_on(TOKEN_LIFETIME_S=2)
    token = service.grant()
    clock.set(-HOUR_S)
    assert service.status_of(token) == 200
    eventually(lambda: service.status_of(token) == 401, SOON_S)


def test_a_token_is_kept_though_the_clock_is_set_ahead(token_service_on, clock):
    service = token_service_on(TOKEN_LIFETIME_S=HOUR_S // 2)
    token = service.grant()
    clock.set(HOUR_S)
    service.grant()  # forgets expired ones
    assert service.status_of(token) == 200
