"""A JavaScript program on a device: two processes to signal and kill, streams, a terminal."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

from lab.waiting import eventually
from support.javascript.on_device import PATIENCE_S

START_S = 20  # until a program prints its first line, on a busy machine
END_S = 20
ANNOUNCE = "console.log(process.pid);\n"

# Handles SIGINT, and exits by itself half a second later.
HANDLE = """
process.on('SIGINT', () => { console.log('handled'); setTimeout(() => process.exit(7), 500); });
setInterval(() => {}, 1000);
console.log('up');
"""


class Running:
    """A program on a device. Its first line of output is the number of its own process."""

    def __init__(self, folder, text, *arguments, stdin=subprocess.DEVNULL, **environ):
        (folder / "program.js").write_text(ANNOUNCE + text)
        self.device = subprocess.Popen(
            [sys.executable, "-m", "tessel", "run", "program.js", *arguments],
            cwd=folder,
            env=os.environ | {"RADIO": "host"} | environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # signals of a group are for these two processes only
        )
        self.child = int(self.line() or 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.device.poll() is None:
            self.device.kill()
        if self.child and is_alive(self.child):
            os.kill(self.child, signal.SIGKILL)
        self.device.communicate(timeout=END_S)

    def line(self):
        """Wait for the next line of output, and return it."""
        return self.device.stdout.readline().rstrip("\n")

    def until(self, wanted):
        """Read lines of output up to this one."""
        while (line := self.line()) != wanted:
            assert line, f"the program ended before {wanted!r}"

    def signal_device(self, number):
        """Send a signal to the device alone."""
        self.device.send_signal(number)

    def signal_child(self, number):
        """Send a signal to the program's process alone."""
        with suppress(ProcessLookupError):
            os.kill(self.child, number)

    def signal_both(self, number):
        """Send a signal to both processes, as a terminal does."""
        os.killpg(self.device.pid, number)

    def ended(self):
        """Wait until both processes have ended; return the exit code, output and errors."""
        out, err = self.device.communicate(timeout=END_S)
        eventually(lambda: not is_alive(self.child), END_S)
        return self.device.returncode, out, err


def is_alive(pid):
    """Return whether a process runs or is stopped; one that nobody has waited for yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def run_file(folder, program, **streams):
    """Run a program of a folder to its end, with streams of the test; its output is bytes."""
    return subprocess.run(
        [sys.executable, "-m", "tessel", "run", program],
        cwd=folder,
        env=os.environ | {"RADIO": "host"},
        timeout=PATIENCE_S,
        check=False,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
    )


def in_terminal(folder, text, ready, keys):
    """Run a program in a terminal, type keys when it is ready; return its code and last line."""
    (folder / "program.js").write_text(text)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tessel", "run", "program.js"],
        cwd=folder,
        env=os.environ | {"RADIO": "host"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it only calls the system
    )
    os.close(theirs)
    shown = b""
    while ready not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, keys)
    with suppress(OSError):  # when no process has the terminal any more
        while piece := os.read(ours, 1000):
            shown += piece
    os.close(ours)
    return process.wait(PATIENCE_S), shown.decode().replace("^C", "").splitlines()[-1]
