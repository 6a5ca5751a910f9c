"""A command in a pseudo-terminal, as a person uses it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from lab.waiting import eventually

CONTROL = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")
HOME, END_OF_SCREEN = "\x1b[H", "\x1b[J"
LEAVE = "\x1b[?25h\x1b[?1049l"  # cursor shown, normal screen


class Terminal:
    """Runs a command in a terminal of this size."""

    def __init__(self, words, env, columns=80, rows=24):
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self._flags = termios.tcgetattr(slave)
        self._slave = slave
        self.process = subprocess.Popen(
            words,
            env={"PATH": os.environ["PATH"], **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 -- no lock
        )
        self.written = ""  # all that came

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._slave)
        os.close(self._master)

    def resize(self, columns, rows):
        """Give the terminal another size; the kernel signals its foreground process."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def type(self, keys):
        os.write(self._master, keys.encode())

    @property
    def lines(self):
        """The lines of the last complete frame."""
        self._read()
        frames = self.written.split(HOME)
        complete = [each for each in frames if END_OF_SCREEN in each]
        return CONTROL.sub("", complete[-1]).replace("\r", "").split("\n") if complete else []

    def shows(self, text):
        """Wait until a frame has this text; return its line."""

        def found():
            return next((line for line in self.lines if text in line), None)

        return eventually(found, 20, lambda: self.written[-2000:])

    def ends(self):
        """Wait until the command ends; return its exit code."""
        eventually(lambda: (self._read(), self.process.poll() is not None)[1], 20)
        self._read()
        return self.process.returncode

    @property
    def is_as_before(self):
        """Whether the command left the terminal as it found it."""
        return self.written.endswith(LEAVE) and termios.tcgetattr(self._slave) == self._flags

    def _read(self):
        while select.select([self._master], [], [], 0)[0]:
            self.written += os.read(self._master, 65536).decode()
