"""The program on a device gets the operator's reason, whichever way the operator takes."""

import sys
import time
from pathlib import Path

import pytest

from lab.processes import Process
from lab.waiting import eventually
from support.gateway.process import device_settings
from support.hardening.fleet import tell
from support.hardening.operating import TOKEN as OPERATORS
from support.hardening.operating import Operator
from support.hardening.proxy import TOKEN

PROGRAMS = Path(__file__).parents[1] / "e2e/programs"
ENDED = "the proxy's operator ended the tunnel: new firmware"
REFUSED = "Authorization failed: the proxy's operator refuses this device: stolen"
WITHIN_S = 1.0
START_S = 30


class ByCommand:
    """The operator at the command line."""

    def __init__(self, proxy, control):
        del proxy
        self._way = {"CONTROL_SOCKET": str(control)}

    def end(self, account, reason):
        done = tell(self._way, "end", "--account", account, "--reason", reason)
        assert done.returncode == 0, done.stderr

    def refuse(self, account, reason):
        done = tell(self._way, "refuse", "--account", account, "--reason", reason)
        assert done.returncode == 0, done.stderr


class ByApi:
    """The operator with the API."""

    def __init__(self, proxy, control):
        del control
        self._operator = Operator(proxy)

    def end(self, account, reason):
        self._operator.post("end", account=account, reason=reason)

    def refuse(self, account, reason):
        self._operator.post("refused", account=account, reason=reason)


@pytest.fixture
def control(tmp_path):
    return tmp_path / "control"


@pytest.fixture
def proxy(proxy_with, control):
    return proxy_with(WORKERS=2, CONTROL_SOCKET=control, ADMIN_PORT=0, ADMIN_TOKEN=OPERATORS)


@pytest.fixture(params=["steered.js", "steered.py"])
def program(request, proxy, authority, tmp_path, site):
    """A program on a device, which is connected through the proxy."""
    authority_file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(authority_file)
    words = ["-m", "tessel", "run", str(PROGRAMS / request.param), str(site["echo"])]
    settings = {**device_settings(proxy, authority_file, TOKEN), "RADIO": "host"}
    running = Process([sys.executable, *words], settings, tmp_path, "device")
    eventually(lambda: "connected" in running.stdout, START_S, lambda: running.stderr)
    yield running
    running.stop()


def seconds_until(program, text):
    """Return how long it takes from now until the program has printed this text."""
    began = time.monotonic()
    eventually(lambda: text in program.stdout, START_S, lambda: program.stdout[-500:])
    return time.monotonic() - began


@pytest.mark.parametrize("way", [ByCommand, ByApi])
def test_a_program_learns_within_a_second_why_it_was_ended_and_why_it_is_refused(
    way, proxy, control, program
):
    operator = way(proxy, control)
    operator.end("hardcoded", "new firmware")
    assert seconds_until(program, ENDED) < WITHIN_S
    eventually(lambda: program.stdout.rstrip().endswith("connected"), START_S)
    operator.refuse("hardcoded", "stolen")
    assert seconds_until(program, REFUSED) < WITHIN_S
