"""Warns a program whose plain Python sockets do not use the device's network.

`requests`, `urllib`, `asyncio` and `socket` use the machine's own network, not the tunnel or the
chip. The warning is given once, and only if a token is set or the radio is a chip.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import warnings
from collections.abc import Mapping
from types import FrameType

from twisted import internet

from tessel.settings import TOKEN_VARIABLES
from tessel.source_location import is_programs

TEXT = (
    "this connection bypasses the device's network (the tunnel or the chip): plain Python "
    "sockets, and with them requests, urllib and asyncio, use the machine's own. Use tessel.net or "
    "tessel.http, or treq with tessel.agent; or run the program with "
    "`tessel gateway -- python PROGRAM`"
)

_EVENTS = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"})
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - a prefix
_REACTOR = str(internet.__path__[0]) + os.sep
_THREADS = _REACTOR + "threads.py"  # functions in the reactor's threads are the program's


class PlainSockets:
    """An audit hook that warns once if the program uses a Python socket directly.

    Such a socket bypasses the tunnel and the chip. Pass the object to `sys.addaudithook`.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` is the live environment, since a program may change its settings."""
        self._environ = environ
        self._warned = False
        self._lock = threading.Lock()

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if event not in _EVENTS or self._warned:
            return
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect's would read the sources
        if not _is_of_network(args[0]) or _is_runtimes(frame) or not self._is_bypass():
            return
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            _warn(frame)

    def _is_bypass(self) -> bool:
        """Return whether the device uses a tunnel or a chip."""
        has_chip = self._environ.get("RADIO", "host").strip() not in ("", "host")
        names = [name + end for name in TOKEN_VARIABLES for end in ("", "_FILE")]
        return has_chip or any(self._environ.get(name) for name in names)


def _is_of_network(what: object) -> bool:
    return getattr(what, "family", None) in (socket.AF_INET, socket.AF_INET6)


def _is_runtimes(frame: FrameType | None) -> bool:
    """Return whether the reactor opened the socket; all of the radio's are such."""
    while frame is not None and not is_programs(frame.f_code.co_filename):
        filename = frame.f_code.co_filename
        if filename.startswith((_REACTOR, _PACKAGE)) and filename != _THREADS:
            return True
        frame = frame.f_back
    return False


def _warn(frame: FrameType | None) -> None:
    while frame is not None and not is_programs(frame.f_code.co_filename):
        frame = frame.f_back
    filename = (
        sys.argv[0] if frame is None else frame.f_code.co_filename
    )  # in a thread without a frame of the program
    line = 0 if frame is None else frame.f_lineno
    warnings.warn_explicit(TEXT, RuntimeWarning, filename, line)
