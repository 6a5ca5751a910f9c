"""The processes that are measured. Their CPU time and memory are read from the kernel."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

START_S = 180.0  # limit for the start of a server: callgrind slows it and its workers
STOP_S = 5.0  # limit for its end after SIGTERM
_numbers = count(1)


class BenchError(Exception):
    """Something could not be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time and memory of a server and its child processes."""

    cpu_s: float
    memory_kib: int

    def __sub__(self, before: Usage) -> Usage:
        return Usage(self.cpu_s - before.cpu_s, self.memory_kib - before.memory_kib)


class Server:
    """A server process, started by the constructor. Its output goes to the file `output`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        environ: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.output = folder / f"{name}-{next(_numbers)}.log"
        with self.output.open("wb") as output:
            self._popen = subprocess.Popen(
                command,
                env={"PATH": os.defpath, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                user=user,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def usage(self) -> Usage:
        """Return CPU time and memory of the process and its running descendants."""
        return _sum(_usage_of(pid) for pid in _family(self.pid))

    def each_usage(self) -> dict[int, Usage]:
        """Return CPU time and memory by process id: the started one first, then its children."""
        return {pid: _usage_of(pid) for pid in _family(self.pid)}

    def awaited(self, ready: Callable[[str], int | None]) -> int:
        """Call `ready` with the output until it finds something, such as a port; return that."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            text = self.output.read_text(errors="replace")
            if (found := ready(text)) is not None:
                return found
            if self._popen.poll() is not None:
                break
            time.sleep(0.05)
        raise BenchError(f"{self.name} did not start\n{self.output.read_text(errors='replace')}")

    def stop(self) -> None:
        """End the process, and wait for it."""
        self._popen.terminate()
        try:
            self._popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def _sum(usages: Iterator[Usage]) -> Usage:
    each = list(usages)
    return Usage(sum(one.cpu_s for one in each), sum(one.memory_kib for one in each))


def _usage_of(pid: int) -> Usage:
    status = Path(f"/proc/{pid}/status").read_text()
    resident = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    memory = next(resident, "VmRSS: 0 kB")  # a zombie has no such line
    return Usage(time.clock_gettime(_cpu_clock(pid)), int(memory.split()[1]))


def _cpu_clock(pid: int) -> int:
    """Return the clock id that clock_getcpuclockid(3) computes.

    /proc has the same time, but in steps of 10 ms.
    """
    return ~pid << 3 | 2


def _family(pid: int) -> Iterator[int]:
    """Yield the ids of the process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may have ended
            for child in (task / "children").read_text().split():
                yield from _family(int(child))
