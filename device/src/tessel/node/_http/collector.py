"""Turns the callbacks of llhttp into events, and enforces the limits on heads and bodies."""

from collections import deque
from http import HTTPStatus

import httptools

from tessel.node._http.events import Body, End, Event, RequestHead, ResponseHead
from tessel.node._http.faults import body_overflow, extensions_overflow, header_overflow

# Node's default (`maxHeadersCount`). Many short fields cost more memory than their bytes.
MAX_HEADER_FIELDS = 2000
# Bytes of a head that the parser gets at once. It reports a field only when the field is complete,
# so an unfinished field can exceed its limit by one portion. The portion also bounds how many
# requests of a pipeline are parsed before the first is answered.
PORTION = 1024
_FIELD_OVERHEAD = 4  # ": " and CR LF


class Collector:
    """Collects the events of one direction of a connection from the callbacks of httptools.

    Raises HttpWireError in a callback, or in `given`, if a head or a body exceeds its limit. Limits
    are in bytes; a `max_body_bytes` of None is no limit.
    """

    def __init__(self, max_header_bytes: int, max_body_bytes: int | None) -> None:
        self.events: deque[Event] = deque()
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser
        self.open = False  # True: a message has begun and is not complete
        self.in_head = True
        self.unseen = 0  # bytes given to the parser and not yet reported by it
        self._called = False
        self._max_header_bytes = max_header_bytes
        self._max_body_bytes = max_body_bytes
        self.on_message_begin()
        self.open = False

    # The callbacks of httptools.

    def on_message_begin(self) -> None:
        """Called when a message begins: resets the head and the counters."""
        self.open = self.in_head = True
        self.first_line = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = self._body_bytes = 0
        self._called = True

    def on_url(self, part: bytes) -> None:
        """Called with a part of the request target or the reason phrase: appends it."""
        self.first_line += part
        self._count_head(len(part))

    on_status = on_url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called with a complete header field or trailer: adds it to the fields."""
        self.fields.append((name, value.rstrip(b" \t")))
        self._count_head(len(name) + len(value) + _FIELD_OVERHEAD)

    def on_headers_complete(self) -> None:
        """Called at the end of the head: adds a RequestHead or ResponseHead to the events."""
        self._called = True
        self.in_head = False
        self.events.append(self._head())
        self.fields = []  # the next fields are the trailers
        self._head_bytes = 0

    def on_body(self, data: bytes) -> None:
        """Called with a part of the body: adds a Body event; HttpWireError above the limit."""
        self._called = True
        self._body_bytes += len(data)
        if self._max_body_bytes is not None and self._body_bytes > self._max_body_bytes:
            raise body_overflow(self._max_body_bytes)
        self.events.append(Body(data))

    def on_chunk_header(self) -> None:
        """Called when a chunk begins: notes that the parser has reported its bytes."""
        self._called = True

    def on_message_complete(self) -> None:
        """Called at the end of a message: adds an End event with the trailers."""
        self.open = False
        self.events.append(End(tuple(self.fields)))

    # The limits.

    def given(self, nbytes: int) -> None:
        """Count bytes that were just fed to the parser; raise HttpWireError if it holds too many.

        The parser does not call back within a header field or within a chunk's extensions. Without
        this count their bytes would have no limit.
        """
        if self._called:
            self.unseen = nbytes if self.in_head else 0
        else:
            self.unseen += nbytes
        self._called = False
        if self.unseen > self._max_header_bytes + PORTION:
            raise header_overflow() if self.in_head else extensions_overflow()

    def _count_head(self, nbytes: int) -> None:
        self._called = True
        self._head_bytes += nbytes
        if self._head_bytes > self._max_header_bytes or len(self.fields) > MAX_HEADER_FIELDS:
            raise header_overflow()

    def _head(self) -> RequestHead | ResponseHead:
        raise NotImplementedError


class RequestCollector(Collector):
    """Collects the events of the requests that a server receives."""

    parser: httptools.HttpRequestParser

    def _head(self) -> RequestHead:
        return RequestHead(
            method=self.parser.get_method().decode("ascii"),
            target=self.first_line.decode("latin-1"),
            version=self.parser.get_http_version(),
            fields=tuple(self.fields),
            keep_alive=self.parser.should_keep_alive(),
            upgrade=self.parser.should_upgrade(),
        )


class ResponseCollector(Collector):
    """Collects the events of the response that a client receives."""

    parser: httptools.HttpResponseParser

    def _head(self) -> ResponseHead:
        return ResponseHead(
            status_code=self.parser.get_status_code(),
            reason=self.first_line.decode("latin-1"),
            version=self.parser.get_http_version(),
            fields=tuple(self.fields),
            keep_alive=self.parser.should_keep_alive(),
            upgrade=_is_switch(self.parser.get_status_code(), self.fields),
        )


def _is_switch(status_code: int, fields: list[tuple[bytes, bytes]]) -> bool:
    named = {name.lower() for name, _ in fields}
    return status_code == HTTPStatus.SWITCHING_PROTOCOLS and b"upgrade" in named
