"""Asks the API of a running proxy, over its UNIX socket or by URL and token. Blocks."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from tessel_proxy.console.place import ConsoleError, Place
from tessel_proxy.console.stream import EventStream
from tessel_service_kit.files import reason

API: Final = "/api/v1/"
ANSWER_S: Final = 120.0
"""Seconds to wait for an answer: an upgrade takes a minute until it has failed."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one answer; a page of 1,000 tunnels has half a megabyte."""

PAGE_ROWS: Final = 1000
"""Rows that are asked for at once: the most that the API gives."""


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """A client of the API of one proxy, which answers for all that share its state."""

    def __init__(self, place: Place, answer_s: float = ANSWER_S) -> None:
        """`answer_s`: seconds to wait for an answer."""
        self._place = place
        self._answer_s = answer_s

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

    def events(self, topics: str, silence_s: float) -> EventStream:
        """Open the stream of events of these topics. Raises ConsoleError.

        `silence_s`: seconds without a byte after which the stream raises ConsoleError.
        """
        with ExitStack() as opened:
            connection = self._connection(silence_s)
            opened.callback(connection.close)
            with self._faults(silence_s):
                response = self._send(connection, "GET", _with("events", {"topics": topics}), None)
                is_stream = response.status == HTTPStatus.OK
                data = b"" if is_stream else response.read(MAX_ANSWER_BYTES)
            if not is_stream:
                self._answer(response.status, data)
            opened.pop_all()
            return EventStream(connection, response, self._place.name)

    def _ask(self, method: str, resource: str, body: dict[str, Any] | None) -> dict[str, Any]:
        with closing(self._connection(self._answer_s)) as connection, self._faults(self._answer_s):
            response = self._send(connection, method, resource, body)
            data = response.read(MAX_ANSWER_BYTES)
        return self._answer(response.status, data)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        resource: str,
        body: dict[str, Any] | None,
    ) -> http.client.HTTPResponse:
        text = None if body is None else json.dumps(body)
        path = urlsplit(self._place.url).path.rstrip("/") + API + resource
        connection.request(method, path, text, self._headers())
        return connection.getresponse()

    @contextmanager
    def _faults(self, timeout_s: float) -> Iterator[None]:
        """Raise ConsoleError for faults of a connection."""
        place = self._place
        try:
            yield
        except TimeoutError as error:
            raise ConsoleError(f"{place.name}: no answer within {timeout_s:g} s") from error
        except OSError as error:
            raise ConsoleError(self._unreached(error)) from error
        except http.client.HTTPException as error:
            raise ConsoleError(f"{place.name}: this is no tessel-proxy: {error!r}") from error

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._place.control_socket is not None:
            return _LocalConnection(self._place.control_socket, timeout_s)
        parts = urlsplit(self._place.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            trust = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=trust)
        return http.client.HTTPConnection(host, port, timeout=timeout_s)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._place.token:
            headers["Authorization"] = f"Bearer {self._place.token}"
        return headers

    def _unreached(self, error: OSError) -> str:
        name, path = self._place.name, self._place.control_socket
        if path is None:
            return f"no proxy answers at {name}: {error.strerror or error}"
        match error:
            case BlockingIOError():
                why = "the proxy does not accept the connection: too many others wait"
            case FileNotFoundError():
                why = "no such socket; needed: the path that a running proxy has"
            case ConnectionRefusedError():
                why = "no proxy listens there any more; start it"
            case PermissionError():
                why = f"{reason(path, error)}; only the proxy's user and root may use it"
            case _:
                why = reason(path, error)
        return f"no proxy answers at {name}: {why}"

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
