"""The file of this user's settings, which `tessel join` writes: lines NAME=VALUE.

It is used only if the environment names neither a proxy nor a token, so a proxy is never mixed with
the token of another one. Docker (`env_file`) and systemd (`EnvironmentFile`) read it, too.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from tessel_service_kit.files import FileError, bytes_of

FILE_VARIABLE: Final = "TESSEL_SETTINGS_FILE"
MAX_BYTES: Final = 64 * 1024
"""Bytes of the file; it has a few lines."""

PROXY_SETTINGS: Final = (
    "PROXY_HOST",
    "PROXY_TOKEN",
    "PROXY_TOKEN_FILE",
    "TM_API_KEY",
    "TM_API_KEY_FILE",
)
"""Variables of the environment, any of which means: do not use the file."""

PRIVATE: Final = 0o600


class SettingsFileError(Exception):
    """The file of settings cannot be used; the text says why and what is allowed."""


def settings_file(environ: Mapping[str, str]) -> Path:
    """Return the path of this user's settings, whether the file exists or not."""
    named = environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")) / ".config")
    return Path(base).expanduser() / "tessel" / "settings.env"


def add_settings_of_file(environ: MutableMapping[str, str]) -> Path | None:
    """Add the settings of the file to the environment, where it has no value of its own.

    Return the file, or None if it is not used: the environment names a proxy or a token, or there
    is no file. Raises SettingsFileError.
    """
    file = settings_file(environ)
    if any(environ.get(name) for name in PROXY_SETTINGS) or not file.exists():
        return None
    try:
        text = bytes_of(file, MAX_BYTES).decode()
    except FileError as error:
        raise SettingsFileError(f"{file} {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsFileError(f"{file} is not UTF-8 at byte {error.start}") from error
    for name, value in parsed(text, file):
        environ.setdefault(name, value)
    return file


def parsed(text: str, file: Path) -> list[tuple[str, str]]:
    """Return the settings in the text of `file`; raises SettingsFileError for a wrong line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsFileError(f"{file}, line {number}: expected NAME=VALUE")
        found.append((name.strip(), value.strip()))
    return found


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, in one step. Raises OSError.

    Folders that do not exist are made, for this user only.
    """
    _make_private(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with open(descriptor, "w", encoding="utf-8") as opened:  # noqa: PTH123 -- a descriptor
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def prove_writable(path: Path) -> None:
    """Raise OSError if `write_private` could not write the file. The file does not change.

    Called before an invitation is used up, as its token would be lost without the file.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_private(probe, "")
    probe.unlink()


def _make_private(folder: Path) -> None:
    """Make a folder and those above it; `Path.mkdir` leaves the ones above to the umask."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
