"""Asks the API of a running proxy, over its UNIX socket or by URL and token. Blocks."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

API: Final = "/api/v1/"
ANSWER_S: Final = 120.0
"""Seconds to wait for an answer: an upgrade takes a minute until it has failed."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one answer; a page of 1,000 tunnels has half a megabyte."""

PAGE_ROWS: Final = 1000
"""Rows that are asked for at once: the most that the API gives."""

MAX_TOKEN_BYTES: Final = 4096


class ConsoleError(Exception):
    """A command failed; the text says why, and what to do."""


class WrongPlaceError(ConsoleError):
    """The settings or arguments name no proxy that could be asked. The exit code is 2."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy is: the path of its socket or, if that is None, its URL and the token."""

    control_socket: Path | None
    url: str = ""
    token: str = ""

    @property
    def name(self) -> str:
        """How errors call it."""
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


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_S)
        self.sock.connect(str(self._path))


class Client:
    """One proxy, which answers for all that share its state. Each request has its connection."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, resource: str, **query: Any) -> dict[str, Any]:
        """Return a resource; arguments that are None are left out. Raises ConsoleError."""
        return self._ask("GET", _with(resource, query), None)

    def post(self, resource: str, **body: Any) -> dict[str, Any]:
        """Send a command, and return its answer. Raises ConsoleError."""
        given = {name: value for name, value in body.items() if value is not None}
        return self._ask("POST", resource, given)

    def delete(self, resource: str, **query: Any) -> dict[str, Any]:
        """End or remove something, and return the answer. Raises ConsoleError."""
        return self._ask("DELETE", _with(resource, query), None)

    def pages(self, resource: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Return a list page by page. Raises ConsoleError."""
        after: str | None = None
        while True:
            page = self.get(resource, limit=PAGE_ROWS, after=after, **query)
            yield page
            after = page.get("next")
            if after is None:
                return

    def _ask(self, method: str, resource: str, body: dict[str, Any] | None) -> dict[str, Any]:
        place = self._place
        try:
            with closing(self._connection()) as connection:
                text = None if body is None else json.dumps(body)
                path = urlsplit(place.url).path.rstrip("/") + API + resource
                connection.request(method, path, text, self._headers())
                response = connection.getresponse()
                data = response.read(MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise ConsoleError(f"{place.name}: no answer within {ANSWER_S:.0f} s") from error
        except OSError as error:
            raise ConsoleError(self._unreached(error)) from error
        except http.client.HTTPException as error:
            raise ConsoleError(f"{place.name}: this is no tessel-proxy: {error!r}") from error
        return self._answer(response.status, data)

    def _connection(self) -> http.client.HTTPConnection:
        if self._place.control_socket is not None:
            return _LocalConnection(self._place.control_socket)
        parts = urlsplit(self._place.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            trust = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=ANSWER_S, context=trust)
        return http.client.HTTPConnection(host, port, timeout=ANSWER_S)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._place.token:
            headers["Authorization"] = f"Bearer {self._place.token}"
        return headers

    def _unreached(self, error: OSError) -> str:
        why = error.strerror or str(error)
        if self._place.control_socket is None:
            return f"no proxy answers at {self._place.url}: {why}"
        return (
            f"no proxy answers at {self._place.name}: {why}; is it running, and are you its user "
            "or root?"
        )

    def _answer(self, status: int, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data)
            fault = answer["error"] if status >= HTTPStatus.BAD_REQUEST else None
            if fault is None:
                return dict(answer)
            text = str(fault["message"])
        except (ValueError, LookupError, TypeError) as error:
            raise ConsoleError(self._no_api(status)) from error
        raise ConsoleError(text)

    def _no_api(self, status: int) -> str:
        if status == HTTPStatus.NOT_FOUND and self._place.control_socket is None:
            return (
                f"{self._place.name}: the token is not accepted, or the proxy has no "
                "ADMIN_TOKEN_FILE"
            )
        return f"{self._place.name}: this is no tessel-proxy of this version (status {status})"


def _with(resource: str, query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{resource}?{urlencode(given)}" if given else resource
