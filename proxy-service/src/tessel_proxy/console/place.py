"""Which proxy a command asks: its UNIX socket, or its URL with the operator's token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

MAX_TOKEN_BYTES: Final = 4096


class ConsoleError(Exception):
    """A command failed; the text says why, and what to do."""


class WrongPlaceError(ConsoleError):
    """The settings or arguments name no proxy that could be asked. The exit code is 2."""


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a proxy: the path of its socket or, if that is None, its URL and the token."""

    control_socket: Path | None
    url: str = ""
    token: str = ""

    @property
    def name(self) -> str:
        """The name of the place in errors."""
        return self.url if self.control_socket is None else f"CONTROL_SOCKET={self.control_socket}"


def place_of(url: str | None, token_file: str | None, environ: Mapping[str, str]) -> Place:
    """Return the proxy that options and environment name; an option goes before the environment.

    Raises WrongPlaceError.
    """
    control = environ.get("CONTROL_SOCKET")
    if url is None and control:
        return Place(Path(control))
    chosen = url or environ.get("ADMIN_URL")
    if not chosen:
        raise WrongPlaceError(
            "CONTROL_SOCKET is not set; needed: the path that the proxy has, or its address by "
            "--url (ADMIN_URL) and --token-file (ADMIN_TOKEN_FILE)"
        )
    file = token_file or environ.get("ADMIN_TOKEN_FILE")
    if not file:
        raise WrongPlaceError(
            "ADMIN_TOKEN_FILE is not set; needed with a URL: the file with the operator's token"
        )
    parts = urlsplit(chosen)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongPlaceError(f"ADMIN_URL={chosen!r}: expected http://HOST:PORT or https://…")
    return Place(None, chosen, _token(Path(file)))


def local_place(url: str | None, token_file: str | None, environ: Mapping[str, str]) -> Place:
    """Return the proxy of this host, for a command that is refused by URL. Raises WrongPlaceError.

    `environ` has its CONTROL_SOCKET.
    """
    if url is not None or token_file is not None:
        raise WrongPlaceError(
            "upgrade works only on the proxy's host, because it starts the code that is installed "
            "there: expected CONTROL_SOCKET in the environment, and neither --url nor --token-file"
        )
    control = environ.get("CONTROL_SOCKET")
    if not control:
        raise WrongPlaceError(
            "CONTROL_SOCKET is not set; needed: the path that the proxy has. upgrade works on the "
            "proxy's host only, not by URL"
        )
    return Place(Path(control))


def _token(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            token = opened.read(MAX_TOKEN_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not text in UTF-8"
        raise WrongPlaceError(f"ADMIN_TOKEN_FILE={str(file)!r}: {why}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise WrongPlaceError(f"ADMIN_TOKEN_FILE={str(file)!r}: expected a token in ASCII")
    return token
