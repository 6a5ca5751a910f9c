"""Which line of the program it was: the frames that are the program's, among all there are."""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib.util import find_spec
from types import FrameType


def _homes(package: str) -> list[str]:
    spec = find_spec(package)  # beside the libraries, if it was installed to be worked on
    homes = spec.submodule_search_locations if spec else None
    return [home + os.sep for home in homes or ()]


_LIBRARIES = (
    *_homes("tessel"),
    *_homes("streamplex"),
    *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<",  # <string>, <frozen runpy>
)


def is_programs(filename: str) -> bool:
    """Code of the program: not of this runtime, nor of Python or an installed library."""
    return not filename.startswith(_LIBRARIES)


def here() -> str | None:
    """`hello.py:8`, the line of the program that is being run; None: it is not the program's turn.

    A few steps up the stack for each connection: cheap beside the connection itself.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect's would read the sources
    while frame is not None and not is_programs(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
