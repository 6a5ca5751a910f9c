"""A shared token is replaced while the proxy runs; devices with the old one are reported."""

import sys
from functools import partial
from pathlib import Path

import pytest

from lab.processes import Process
from lab.waiting import eventually

TESSEL = Path(sys.executable).with_name("tessel")
RECHECK_S = 1
PATIENCE_S = 60.0
TRIES = 3
PROGRAM = f"""
import sys
from tessel import net, timers

tries = 0

def connect():
    global tries
    tries += 1
    socket = net.connect(int(sys.argv[2]), sys.argv[1])
    socket.on("connect", lambda: print("connected", flush=True))
    socket.on("error", failed)

def failed(error):
    print(error.code, error, flush=True)
    if tries <= {TRIES}:
        timers.set_timeout(connect, 100)

connect()
"""


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("old token\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def proxy(proxy_with, token_file):
    return proxy_with(
        AUTH_HARDCODED=None,
        AUTH_HARDCODED_FILE=token_file,
        AUTH_RECHECK_S=RECHECK_S,
        RELOAD_LOOK_S=600,  # nothing but the signal
    )


@pytest.fixture
def program(program_at, proxy):
    return program_at(proxy)


@pytest.fixture
def program_at(tmp_path, authority, site):
    """Starts a device of a proxy with a token; stops it when the test is over."""
    authority_file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(authority_file)
    source = tmp_path / "program.py"
    source.write_text(PROGRAM)
    started = []

    def start(proxy, token):
        settings = {
            "PROXY_HOST": "localhost",
            "PROXY_PORT": str(proxy.port),
            "PROXY_TOKEN": token,
            "PROXY_CERT_FILE": str(authority_file),
            "PROXY_LOCAL": "none",
            "RADIO": "host",
        }
        command = [TESSEL, "run", source, "127.0.0.1", str(site["echo"])]
        process = Process(command, settings, tmp_path, f"device-{len(started)}")
        started.append(process)
        return process

    yield lambda proxy: partial(start, proxy)
    for process in started:
        process.stop()


def reload(proxy):
    """Let the proxy reload its files, and wait until it has."""
    before = len(proxy.log.events("reloaded"))
    proxy.reload()
    eventually(lambda: len(proxy.log.events("reloaded")) > before, PATIENCE_S)


def test_devices_move_to_the_new_token_and_one_with_the_old_token_is_reported(
    proxy, program, token_file
):
    old = program("old token")
    eventually(lambda: "connected" in old.stdout, PATIENCE_S, lambda: old.stderr)

    token_file.write_text("old token\nnew token\n")
    reload(proxy)
    new = program("new token")
    eventually(lambda: "connected" in new.stdout, PATIENCE_S, lambda: new.stderr)
    assert old.exit_code is None

    token_file.write_text("new token\n")
    reload(proxy)
    eventually(lambda: old.exit_code is not None, PATIENCE_S, lambda: old.stdout)

    told = "ERR_PROXY_AUTHORIZATION Authorization failed: the token is no longer valid."
    assert old.stdout.splitlines() == ["connected", *[told] * (1 + TRIES)]
    assert new.exit_code is None
    (closed,) = eventually(lambda: proxy.log.events("tunnel_closed"))
    assert (closed["outcome"], closed["why"]) == ("revoked", "the proxy closed the tunnel")
    assert len(proxy.log.events("tunnel_authenticated")) == 2
    assert not proxy.log.events("tunnel_refused")  # the old one did not come again


@pytest.mark.parametrize("asked", [True, False], ids=["SIGHUP", "look"])
def test_a_token_that_is_withdrawn_during_the_drain_ends_its_tunnel(
    proxy_with, program_at, token_file, asked
):
    look_s = 600 if asked else 0.2
    files = {"AUTH_HARDCODED": None, "AUTH_HARDCODED_FILE": token_file}
    proxy = proxy_with(**files, AUTH_RECHECK_S=RECHECK_S, RELOAD_LOOK_S=look_s, DRAIN_S=300)
    old = program_at(proxy)("old token")
    eventually(lambda: "connected" in old.stdout, PATIENCE_S, lambda: old.stderr)
    proxy.terminate()
    eventually(lambda: proxy.log.events("draining"), PATIENCE_S)
    token_file.write_text("new token\n")
    if asked:
        reload(proxy)
    (closed,) = eventually(lambda: proxy.log.events("tunnel_closed"), PATIENCE_S)
    assert closed["outcome"] == "revoked"


def test_a_file_without_a_token_is_reported_and_the_old_token_stays_valid(
    proxy, program, token_file
):
    proxy.expected_faults.append("reload_failed")
    token_file.write_text('"old token"\n')
    proxy.reload()
    (failed,) = eventually(lambda: proxy.log.events("reload_failed"), PATIENCE_S)
    assert "in quotes" in failed["why"]
    device = program("old token")
    eventually(lambda: "connected" in device.stdout, PATIENCE_S, lambda: device.stderr)


def test_a_token_from_the_environment_is_reported_to_need_a_restart(proxy_with):
    proxy = proxy_with(KEY_PASS="unused")
    proxy.reload()
    (kept,) = eventually(lambda: proxy.log.events("not_reloaded"), PATIENCE_S)
    assert kept["settings"] == "KEY_PASS, AUTH_HARDCODED"
