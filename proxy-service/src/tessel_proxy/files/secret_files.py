"""Secrets in files that are read again while the proxy serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from tessel_proxy.files.reloadable import stamps_of
from tessel_service_kit.settings import SecretFile, Setting


class ReadAgain:
    """Hands on what a secret's file holds, now and whenever it has changed."""

    def __init__(self, file: SecretFile, use: Callable[[object], None]) -> None:
        """Raises ConfigError."""
        self._file = file
        self._use = use
        self.reload()  # what was read before may have changed since

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def paths(self) -> Sequence[Path]:
        return (self._file.path,)

    def reload(self) -> None:
        """Use the file as it is now. Raises ConfigError, and goes on as before."""
        self.stamps = stamps_of(self.paths)
        self._use(self._file.read())


def passphrase_in(file: SecretFile) -> bytes:
    """What KEY_PASS_FILE holds now; raises ConfigError."""
    return cast("bytes", file.read())


def held_until_restart(settings: Sequence[Setting], environ: Mapping[str, str]) -> list[str]:
    """The variables of those settings that nothing reads again, for the log of a reload."""
    return [
        name
        for each in settings
        if each.secret or each.name == "AUTH_PLUGIN"
        for name in each.given(environ)
        if name == each.name or each.file(environ) is None
    ]
