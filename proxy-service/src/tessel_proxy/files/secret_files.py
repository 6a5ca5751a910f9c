"""Secrets in files that are read again while the proxy serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from tessel_proxy.files.reloadable import stamps_of
from tessel_service_kit.settings import SecretFile, Setting


class ReadAgain:
    """Passes the content of a secret's file on, now and after each change."""

    def __init__(self, file: SecretFile, use: Callable[[object], None]) -> None:
        """Read the file and call `use` with its value; raises ConfigError."""
        self._file = file
        self._use = use
        self.reload()  # the file may have changed since the settings were read

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def paths(self) -> Sequence[Path]:
        return (self._file.path,)

    def reload(self) -> None:
        """Read the file again. Raises ConfigError, and keeps the former value."""
        self.stamps = stamps_of(self.paths)
        self._use(self._file.read())


def passphrase_in(file: SecretFile) -> bytes:
    """Return the current content of KEY_PASS_FILE; raises ConfigError."""
    return cast("bytes", file.read())


def held_until_restart(settings: Sequence[Setting], environ: Mapping[str, str]) -> list[str]:
    """Return the names of secrets and plug-ins that are only read at the start."""
    return [
        name
        for each in settings
        if each.secret or each.name == "AUTH_PLUGIN"
        for name in each.given(environ)
        if name == each.name or each.file(environ) is None
    ]
