"""A client's driver as a process: commands to its standard input, answers from its output."""

import os
import select
import subprocess
import time

PATTERN = bytes(range(251))  # a prime length: lost and repeated blocks are seen
LIMIT_MS = 10_000  # of a driver's command, unless the test sets another
SPARE_S = 20.0  # on a busy machine a driver may answer so much later than its limit
QUIT_S = 10.0
READ_BYTES = 65_536


def pattern(count, at=0):
    """Return `count` bytes of the pattern that `fill` and `push` send, from position `at`."""
    start = at % len(PATTERN)
    return (PATTERN * (count // len(PATTERN) + 2))[start : start + count]


class Driver:
    """A running driver. `can` holds the features and abilities that it named."""

    def __init__(self, command, folder, name):
        self._errors = folder / f"{name}.err"
        with self._errors.open("ab") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        self._left = b""
        self._asked = 0  # commands without an answer
        self.limit_s = LIMIT_MS / 1000
        self.name, *words = self.ok("hello")
        self.can = frozenset(words)

    def tell(self, *words):
        """Send a command without waiting for its answer."""
        line = " ".join(str(word) for word in words) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        self._asked += 1

    def heard(self):
        """Return the next answer."""
        deadline = time.monotonic() + self.limit_s + SPARE_S
        while b"\n" not in self._left:
            left_s = deadline - time.monotonic()
            ready = left_s > 0 and select.select([self._process.stdout], [], [], left_s)[0]
            assert ready, f"no answer in time; stderr: {self.stderr}"
            piece = os.read(self._process.stdout.fileno(), READ_BYTES)
            assert piece, f"the driver ended; stderr: {self.stderr}"
            self._left += piece
        line, _, self._left = self._left.partition(b"\n")
        self._asked -= 1
        return line.decode()

    @property
    def is_idle(self):
        """Whether the driver runs and has answered every command."""
        return self._process.poll() is None and not self._asked

    def ask(self, *words):
        """Send a command and return its answer."""
        self.tell(*words)
        return self.heard()

    def ok(self, *words):
        """Send a command that has to succeed, and return the words after `ok`."""
        return self.expect_ok(self.ask(*words))

    def heard_ok(self):
        """Return the words after `ok` of the next answer."""
        return self.expect_ok(self.heard())

    def expect_ok(self, answer):
        assert answer.split(" ")[0] == "ok", f"{answer}; stderr: {self.stderr}"
        return answer.split(" ")[1:]

    def fails(self, *words):
        """Send a command that has to fail, and return its code word."""
        answer = self.ask(*words)
        assert answer.startswith("error "), f"{answer}; stderr: {self.stderr}"
        return answer.split(" ")[1]

    def limit(self, limit_ms):
        """Set the time limit of the next commands."""
        self.ok("limit", limit_ms)
        self.limit_s = limit_ms / 1000

    @property
    def stderr(self):
        return self._errors.read_text(errors="replace")[-4000:]

    @property
    def id(self):
        return self._process.pid

    def quit(self):
        """End the driver as the contract says; any other end fails."""
        if self._process.poll() is None:
            self.ok("quit")
        assert self._process.wait(QUIT_S) == 0, self.stderr

    def kill(self):
        self._process.kill()
        self._process.wait(QUIT_S)
        self._process.stdin.close()
        self._process.stdout.close()
