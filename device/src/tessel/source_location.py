"""Finds the program's own source line on the stack, for errors and reports."""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib.util import find_spec
from types import FrameType


def _homes(package: str) -> list[str]:
    spec = find_spec(package)  # not among the libraries in a development install
    homes = spec.submodule_search_locations if spec else None
    return [home + os.sep for home in homes or ()]


_LIBRARIES = (
    *_homes("tessel"),
    *_homes("streamplex"),
    *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<",  # <string>, <frozen runpy>
)


def is_programs(filename: str) -> bool:
    """Return whether a source file belongs to the program, not to tessel, Python or a library."""
    return not filename.startswith(_LIBRARIES)


def here() -> str | None:
    """Return file and line of the program's innermost running frame, such as `hello.py:8`.

    None if no frame on the stack is the program's. The function walks up a few frames, which costs
    little compared to a connection.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect's would read the sources
    while frame is not None and not is_programs(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
