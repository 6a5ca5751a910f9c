"""Warnings for options that are ignored because the chip cannot do them, as on the Tessel."""

from __future__ import annotations

import warnings

NO_DELAY = "set_no_delay is ignored: the CC3000 cannot send without delay"
HALF_OPEN = "allow_half_open is ignored: the CC3000 closes both directions at once"
HOST = "the host is ignored: the CC3000 listens for every machine that can reach it"

_warned: dict[
    str | tuple[str, type[Warning], int], int
] = {}  # Python's register: one warning for each line of a program


def warn(text: str, at: str | None) -> None:
    """Give a RuntimeWarning with this text for a line of the program, once for each line.

    `at` is the line, as `source_location.here` returns it. None: do not warn, because the call came
    from the runtime and not from the program.
    """
    if at is None:
        return
    filename, _, line = at.rpartition(":")
    warnings.warn_explicit(text, RuntimeWarning, filename, int(line), registry=_warned)
