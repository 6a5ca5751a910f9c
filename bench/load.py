"""The client in C (native/load.c) as a process that stops at points where it prints `ready`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self, cast

from bench.processes import BenchError

Figures = dict[str, float]


class Load:
    """One run of the client. It waits at each `ready` until `go` is called."""

    def __init__(self, program: Path, options: Sequence[str], mode: Sequence[object]) -> None:
        command = [str(program), *options, *map(str, mode)]
        self._command = " ".join(command)
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._out = cast("IO[str]", self._popen.stdout)
        self._in = cast("IO[str]", self._popen.stdin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.communicate()

    def until_ready(self) -> None:
        """Wait until the client waits."""
        if self._line() != "ready":
            raise BenchError("the client did not wait where it should")

    def go(self) -> None:
        """Let the client continue."""
        try:
            self._in.write("go\n")
            self._in.flush()
        except BrokenPipeError:
            raise BenchError(self._why_it_ended()) from None

    def figures(self) -> Figures:
        """Wait for the client's results and return them."""
        return cast("Figures", json.loads(self._line()))

    def _line(self) -> str:
        line = self._out.readline()
        if not line:
            raise BenchError(self._why_it_ended())
        return line.strip()

    def _why_it_ended(self) -> str:
        errors = cast("IO[str]", self._popen.stderr).read().strip()
        return f"{self._command}: {errors or f'exit code {self._popen.wait()}'}"
