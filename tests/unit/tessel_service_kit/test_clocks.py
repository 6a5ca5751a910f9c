"""The reactor's clock, and SteadyTime."""

import os
import subprocess
import sys
import time

import pytest
from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from twisted.web.client import HTTPConnectionPool

from support.set_clock import SetClock
from tessel_service_kit.clocks import MonotonicReactor, SteadyTime

LIMIT_S = 20.0
HOUR_S = 3600


def python(text, **environ):
    """What it prints."""
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        check=False,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_reactor_of_the_tests_is_that_of_the_processes():
    assert isinstance(reactor, MonotonicReactor)


def test_its_seconds_are_monotonic():
    before = time.monotonic()
    assert before <= reactor.seconds() <= time.monotonic()


def test_objects_that_twisted_creates_without_a_clock_use_it_too():
    assert LoopingCall(print).clock is reactor
    assert HTTPConnectionPool(reactor)._reactor is reactor
    timer = reactor.callLater(HOUR_S, print)
    assert timer.getTime() - reactor.seconds() == pytest.approx(HOUR_S, abs=1)
    timer.reset(2 * HOUR_S)
    assert timer.getTime() - reactor.seconds() == pytest.approx(2 * HOUR_S, abs=1)
    timer.cancel()


INSTALLED = "; from twisted.internet import reactor; print(type(reactor).__name__)"


@pytest.mark.parametrize("package", ["tessel_proxy", "tessel_oauth"])
def test_each_service_installs_it_before_anything_installs_another(package):
    assert python(f"import {package}.__main__{INSTALLED}") == ["MonotonicReactor"]


def test_programs_of_the_device_run_on_it(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(INSTALLED.removeprefix("; "))
    run = f"from tessel.__main__ import main; raise SystemExit(main(['run', {str(program)!r}]))"
    assert python(run) == ["MonotonicReactor"]


def test_a_reactor_that_is_installed_already_is_kept():
    text = """
from twisted.internet import reactor as first
from tessel_service_kit.reactor import reactor
print(reactor is first)
"""
    assert python(text) == ["True"]


@pytest.mark.parametrize("offset_s", [-HOUR_S, HOUR_S])
def test_a_timer_fires_in_time_though_the_clock_is_set(tmp_path, offset_s):
    text = """
import os, sys, time
from tessel_service_kit.reactor import reactor
from twisted.internet.task import LoopingCall

began, wall = time.monotonic(), time.time()

def set_clock():
    with open(os.environ["CLOCK_OFFSET_FILE"], "r+b") as file:
        file.write((AHEAD_S).to_bytes(8, sys.byteorder, signed=True))

reactor.callLater(0.2, set_clock)
reactor.callLater(1, reactor.stop)
LoopingCall(lambda: None).start(0.05)  # so that the reactor looks at its timers
reactor.run()
print(time.monotonic() - began, time.time() - wall)
""".replace("AHEAD_S", str(offset_s))
    took_s, wall_s = map(float, python(text, **SetClock(tmp_path).environ))
    assert 1 <= took_s < 10
    assert abs(wall_s - offset_s) < 10  # else the clock was not set


def test_steady_time_starts_from_the_wall_clock_and_does_not_follow_it():
    monotonic, wall = [5.0], [1_000_000.0]
    steady = SteadyTime(lambda: monotonic[0], lambda: wall[0])
    assert steady() == 1_000_000.0
    monotonic[0] += 10
    wall[0] -= HOUR_S
    assert steady() == 1_000_010.0
