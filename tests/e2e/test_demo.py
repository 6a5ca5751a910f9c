"""`make demo` on a terminal, and interrupted."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.deployment.local import ROOT
from lab.waiting import eventually

SECONDS = 60


@pytest.fixture(autouse=True)
def _once(request):
    if request.config.getoption("--deployment") != "local":
        pytest.skip("the demo runs on processes of this machine")


class Terminal:
    """The demo on a terminal of its own; `text` is its output so far."""

    def __init__(self, folder):
        self._reading, writing = pty.openpty()
        os.set_blocking(self._reading, False)
        environ = os.environ | {"TMPDIR": str(folder), "TERM": "xterm"}
        command = [sys.executable, "-m", "demo"]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=writing,
            stdout=writing,
            stderr=writing,
            # A shell ignores SIGINT in what it starts in the background; a terminal does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - this test starts no threads
        )
        os.close(writing)
        self.text = ""

    def reads(self, text):
        """Wait for a text."""
        eventually(lambda: text in self._read(), SECONDS, lambda: f"{text!r} in {self.text!r}")

    def ends(self):
        def ended():
            self._read()  # else it waits for a reader
            return self.process.poll() is not None

        eventually(ended, SECONDS, lambda: self.text)
        self._read()
        return self.process.returncode

    def _read(self):
        try:
            while data := os.read(self._reading, 65536):
                self.text += data.decode()
        except (BlockingIOError, OSError):  # nothing now; or nobody writes any more
            pass
        return self.text


@pytest.fixture
def terminal(tmp_path):
    running = Terminal(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def processes_that_name(folder):
    return [
        command
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if str(folder) in (command := read(file)) and file.parent.name != str(os.getpid())
    ]


def read(file):
    try:
        return file.read_text(errors="replace").replace("\0", " ")
    except OSError:  # it has ended meanwhile
        return ""


def test_the_demo_shows_each_command_before_its_output_and_ends_well(terminal):
    assert terminal.ends() == 0
    assert "Everything is stopped." in terminal.text
    order = [
        "tessel-proxy make-cert",
        "tessel-oauth",
        "examples/ipcalf.js",
        "The program runs (part 1 of 6)",
        "\x1b[2K127.0.0.1\r\n",  # the proxy's address, in place of the line of progress
        "1 tunnel, shared by 1 connection",
        "examples/ipcalf.py",
        "says: Hello from the far site",
        "examples/parallel_downloads.py",
        "all 20 are the same",
        "4 of 20 sockets",
        "tessel radio decode",
    ]
    places = [terminal.text.index(each) for each in order]
    assert places == sorted(places)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_interrupted_stops_everything(terminal, tmp_path, number, code):
    terminal.reads("part 1 of 6")
    assert processes_that_name(tmp_path)
    terminal.process.send_signal(number)
    assert terminal.ends() == code
    assert "Interrupted. Everything is stopped." in terminal.text
    assert processes_that_name(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
