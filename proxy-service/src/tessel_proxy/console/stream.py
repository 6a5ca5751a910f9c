"""A stream of server-sent events, as the API sends it. Blocks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tessel_proxy.console.place import ConsoleError

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one event; one with 10,000 tunnels that have just opened has 6 MB."""

NAME: Final = b"event: "
DATA: Final = b"data: "


def events_of(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """Return names and values of the events in these lines. The API writes a value in one line."""
    name = ""
    for line in lines:
        if line.startswith(NAME):
            name = line.removeprefix(NAME).strip().decode()
        elif line.startswith(DATA):
            yield name, json.loads(line.removeprefix(DATA))


class EventStream:
    """The answer to a request for events: iterate over it until the proxy ends it."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        name: str,
    ) -> None:
        """`name`: of the proxy, for errors. The connection's timeout is the longest silence."""
        self._connection = connection
        self._response = response
        self._name = name

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Return names and values. Raises ConsoleError."""
        try:
            yield from events_of(iter(lambda: self._response.readline(MAX_LINE_BYTES), b""))
        except TimeoutError as error:
            raise ConsoleError(f"{self._name}: silent for {self._connection.timeout} s") from error
        except OSError as error:
            raise ConsoleError(f"{self._name}: {error.strerror or error}") from error
        except (http.client.HTTPException, ValueError) as error:
            raise ConsoleError(f"{self._name}: the stream of events was cut") from error
