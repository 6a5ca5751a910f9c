"""`tessel-proxy top` as a process in a pseudo-terminal, and without a terminal."""

import io
import signal
import subprocess
import sys
import threading
import time

import pytest

from lab.waiting import eventually
from support.console.api import LocalApi
from support.console.terminal import Terminal
from support.page.stand_in_api import flat_history, proxy, tunnel
from tessel_proxy.console import ConsoleError, Screen, add_commands, run
from tessel_service_kit.command_line import CommandParser

COMMAND = [sys.executable, "-m", "tessel_proxy", "top"]
TOTALS = {"tunnels": 2, "substreams": 7, "opens_per_s": 0.5}
TOTALS |= {"bytes_from_device_per_s": 1500.0, "bytes_from_target_per_s": 0.0}
FLEET = {"proxies": [proxy("edge-1/a")], "engine": {"url": None, "away": False}, "missing": []}


def answers_with(*tunnels):
    page = {"tunnels": tunnels, "next": None, "total": len(tunnels), "missing": []}
    history = flat_history()
    return {"GET tunnels": page, "GET proxies": FLEET, "GET history": history, "GET events": {}}


@pytest.fixture
def api(tmp_path):
    """An API with two tunnels, which sends `totals` ten times a second while it serves."""
    api = LocalApi(tmp_path / "control", answers_with(tunnel(1), tunnel(2, open_substreams=9)))
    over = threading.Event()

    def live():
        while not over.wait(0.1):
            api.push("totals", TOTALS)

    pushing = threading.Thread(target=live)
    pushing.start()
    yield api
    over.set()
    pushing.join()


@pytest.fixture
def opened(api, tmp_path):
    """A function that runs `top` in a terminal of some size, until its picture is complete."""
    terminals = []

    def run_in(columns=80, rows=24):
        terminals.append(Terminal(COMMAND, {"CONTROL_SOCKET": str(tmp_path / "control")}))
        terminals[-1].resize(columns, rows)
        terminals[-1].shows("device-1")
        return terminals[-1]

    with api:
        yield run_in
    for each in terminals:
        each.close()


@pytest.mark.parametrize("key", ["q", "\x03", "xq"], ids=["q", "Ctrl-C", "others first"])
def test_keys_end_it_and_the_terminal_is_as_before(opened, key):
    terminal = opened()
    terminal.type(key)
    assert terminal.ends() == 0
    assert terminal.is_as_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(opened, number):
    terminal = opened()
    terminal.process.send_signal(number)
    assert terminal.ends() == 0
    assert terminal.is_as_before


def test_events_are_shown_within_two_seconds_without_asking_again(opened, api):
    terminal = opened()
    asked = len(api.asked)
    began = time.monotonic()
    api.push("tunnels", {"opened": [tunnel(3, device="pump")], "changed": [], "closed": []})
    terminal.shows("pump")
    assert time.monotonic() - began < 2.0
    assert len(api.asked) == asked


def test_keys_sort_the_list_and_are_named(opened):
    terminal = opened()
    terminal.shows("tunnels by rate (keys: r: rate, b: bytes, o: open, n: newest)")
    terminal.type("o")
    terminal.shows("tunnels by open")
    assert "device-2" in terminal.lines[-1 - len(["device-1"])]


def test_another_size_of_the_terminal_is_used_at_once(opened):
    terminal = opened()
    terminal.resize(40, 7)
    lines = eventually(lambda: len(terminal.lines) <= 7 and terminal.lines, 20)
    assert max(map(len, lines)) <= 40


def test_a_proxy_that_went_is_said_and_the_list_is_live_again_when_it_is_back(opened, api):
    terminal = opened()
    api.__exit__()
    terminal.shows("connection lost")
    terminal.shows("no proxy answers")
    api.answers = answers_with(tunnel(4, device="returned"))
    api.__enter__()
    terminal.shows("returned")
    assert not any("lost" in line for line in terminal.lines)


def test_without_a_terminal_it_prints_one_picture(api, tmp_path):
    with api:
        done = subprocess.run(
            COMMAND,
            env={"CONTROL_SOCKET": str(tmp_path / "control")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "accounts 2  tunnels 2  open 7" in done.stdout


def test_a_place_without_a_proxy_is_an_error_and_not_a_screen(tmp_path):
    parser = CommandParser()
    add_commands(parser.add_subparsers(dest="command"))
    arguments, place = parser.parse_args(["top"]), {"CONTROL_SOCKET": str(tmp_path / "none")}
    screen = Screen(io.StringIO(), io.StringIO(), None)
    with pytest.raises(ConsoleError, match="no proxy answers"):
        run(arguments, place, screen)
