"""Secrets in files that are read again while the proxy serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from tessel_proxy.files.reloadable import stamps_of
from tessel_service_kit.settings import SecretFile, Setting


class ReadAgain:
    """A reloadable secret: calls a function with the file's content at once and at each reload."""

    def __init__(self, file: SecretFile, use: Callable[[object], None]) -> None:
        """Read the file and call `use` with its value; raises ConfigError if it cannot be read."""
        self._file = file
        self._use = use
        self.reload()  # the file may have changed since the settings were read

    @property
    def name(self) -> str:
        """The name of the file's setting, for the log."""
        return self._file.name

    @property
    def paths(self) -> Sequence[Path]:
        """The file of the secret, as the only item."""
        return (self._file.path,)

    def reload(self) -> None:
        """Read the file again and call `use` with its value.

        Raises ConfigError if the file cannot be read; `use` is then not called.
        """
        self.stamps = stamps_of(self.paths)
        self._use(self._file.read())


def passphrase_in(file: SecretFile) -> bytes:
    """Read KEY_PASS_FILE again and return its content; raises ConfigError if it cannot be read."""
    return cast("bytes", file.read())


def held_until_restart(settings: Sequence[Setting], environ: Mapping[str, str]) -> list[str]:
    """Return the names of given settings that a reload does not read again.

    These are AUTH_PLUGIN and secrets that are set directly instead of in a file.
    """
    return [
        name
        for each in settings
        if each.secret or each.name == "AUTH_PLUGIN"
        for name in each.given(environ)
        if name == each.name or each.file(environ) is None
    ]
