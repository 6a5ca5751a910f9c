"""The base of sent HTTP messages: a client's request, a server's response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from tessel.errors import NodeError
from tessel.node._http.bodies import (
    ChunkedBody,
    MeasuredBody,
    NoBody,
    OutgoingBody,
    UnmeasuredBody,
    header_lines,
)
from tessel.node._http.headers import HeaderValue, OutgoingHeaders
from tessel.node._http.wire import HttpWire
from tessel.node._streams.base import Chunk, Done
from tessel.node._streams.writable import Writable
from tessel.node.base.arguments import Callback, callback_or_none
from tessel.node.net import Socket

__all__ = ["OutgoingMessage"]


class OutgoingMessage(Writable):
    """An HTTP message to send. Its headers go with the first bytes of the body, or with `end`."""

    def __init__(self, wire: HttpWire, headers: OutgoingHeaders) -> None:
        super().__init__()
        self.headers_sent = False
        self.send_date = False
        self.strict_content_length = False  # True: a body of another length is an error
        self.socket: Socket | None = None
        self._headers = headers
        self._trailers: list[tuple[bytes, bytes]] = []
        self._wire = wire
        self._ending = False  # `end` was called
        self._waiting: list[Callable[[Socket], None]] = []  # at most a write and the end

    @property
    def connection(self) -> Socket | None:
        """The socket, or None before there is one: Node's older name for `socket`."""
        return self.socket

    @property
    def finished(self) -> bool:
        """True after `end` was called: Node's older name for `writable_ended`."""
        return self.writable_ended

    # Headers.

    def set_header(self, name: str, value: HeaderValue) -> Self:
        """Set a header and replace its old values. A list becomes one line for each value.

        Raises NodeError for a wrong name or value, or if the headers were sent already.
        """
        self._headers_open("set")
        self._headers.set(name, value)
        return self

    def set_headers(self, headers: Mapping[str, HeaderValue]) -> Self:
        """Set each header of a mapping; raises NodeError as `set_header`."""
        self._headers_open("set")
        for name, value in headers.items():
            self._headers.set(name, value)
        return self

    def append_header(self, name: str, value: HeaderValue) -> Self:
        """Add a value, or a list of values, to a header; raises NodeError as `set_header`."""
        self._headers_open("append")
        self._headers.append(name, value)
        return self

    def get_header(self, name: str) -> HeaderValue | None:
        """Return the value of a header; None if it is not set."""
        return self._headers.get(name)

    def get_headers(self) -> dict[str, HeaderValue]:
        """Return all headers by their names in lower case."""
        return {
            name: value for name in self._headers if (value := self.get_header(name)) is not None
        }

    def has_header(self, name: str) -> bool:
        """Return whether a header is set."""
        return name in self._headers

    def get_header_names(self) -> list[str]:
        """Return the names of all headers in lower case."""
        return list(self._headers)

    def get_raw_header_names(self) -> list[str]:
        """Return the names of all headers as the program wrote them."""
        return self._headers.names()

    def remove_header(self, name: str) -> None:
        """Remove a header; raises NodeError if the headers were sent already."""
        self._headers_open("remove")
        self._headers.remove(name)

    def add_trailers(self, trailers: Mapping[str, HeaderValue]) -> None:
        """Set the headers to send after a chunked body.

        With other bodies the trailers are dropped. Raises NodeError for a wrong name or value.
        """
        self._trailers = OutgoingHeaders(trailers).pairs()

    def flush_headers(self) -> None:
        """Send the headers now, before the body."""
        if not self.headers_sent:
            self._check_head()
            self._when_connected(self._flush_headers)

    # The stream.

    def set_timeout(self, timeout_ms: float, callback: Callable[..., object] | None = None) -> Self:
        """Emit `timeout` when the connection has sent and received nothing for `timeout_ms`.

        `callback` is a listener for `timeout`. 0 switches the timeout off.
        """
        if (listener := callback_or_none(callback)) is not None:
            self.on("timeout", listener)
        if self.socket is not None:
            self.socket.set_timeout(timeout_ms)
        return self

    def write(
        self,
        chunk: Chunk,
        encoding: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Write a part of the body; the headers are sent before the first part.

        Arguments and result are those of `Writable.write`. Raises NodeError if the headers cannot
        be sent.
        """
        if not self.headers_sent:
            self._check_head()
        return super().write(chunk, encoding, callback)

    def end(
        self,
        chunk: Chunk | Callable[..., object] | None = None,
        encoding: str | Callable[..., object] | None = None,
        callback: Callable[..., object] | None = None,
    ) -> Self:
        """Write a last part of the body, if one is given, and complete the message.

        Arguments are those of `Writable.end`. Raises NodeError if the headers cannot be sent.
        """
        if not self.headers_sent:
            self._check_head()
        self._ending = True
        return super().end(chunk, encoding, callback)

    def silence(self) -> None:
        """Destroy the message without closing its socket, which sends nothing of it any more."""
        self.socket = None
        self.destroy()

    # For request and response to override.

    def _check_head(self) -> None:
        """Raise NodeError inside the program's call if the headers cannot be sent."""
        length = self._headers.get("content-length")
        if length is not None:
            _valid_length(length)

    def _start_line(self) -> bytes:
        raise NotImplementedError

    def _complete_headers(self, length: int | None) -> None:
        """Add missing headers. `length` is that of the body in bytes; None: not known yet."""
        raise NotImplementedError

    def _has_body(self) -> bool:
        return True

    # The sending.

    def _connect(self, socket: Socket) -> None:
        self.socket = socket
        waiting, self._waiting = self._waiting, []
        for step in waiting:
            step(socket)

    def _when_connected(self, step: Callable[[Socket], None]) -> None:
        if self.socket is None:
            self._waiting.append(step)
        else:
            step(self.socket)

    def _write(self, chunk: bytes, done: Done) -> None:
        self._when_connected(
            lambda socket: self._send(socket, lambda: self._wire.write(chunk), done)
        )

    def _final(self, done: Done) -> None:
        self._when_connected(
            lambda socket: self._send(socket, lambda: self._wire.end(self._trailers), done)
        )

    def _flush_headers(self, socket: Socket) -> None:
        self._send(socket, lambda: b"", self._flushed)

    def _flushed(self, error: BaseException | None) -> None:
        if error is not None:
            self.destroy(error)

    def _send(self, socket: Socket, part: Callable[[], bytes], done: Done) -> None:
        try:
            data = self._head_bytes() + part()
        except NodeError as problem:
            done(problem)
            return
        if data:
            # Its error is not reported here: the socket's own `error` and `close` say why it failed
            socket.write(data, lambda error=None: done(None) if error is None else None)
        else:
            done(None)

    def _head_bytes(self) -> bytes:
        if self.headers_sent:
            return b""
        self.headers_sent = True
        self._complete_headers(self.writable_length if self._ending else None)
        head = self._start_line() + header_lines(self._headers.pairs()) + b"\r\n"
        close = self._headers.says("connection", "close")
        return self._wire.begin(head, self._body(), close=close)

    def _body(self) -> OutgoingBody:
        if not self._has_body():
            return NoBody()
        if self._headers.says("transfer-encoding", "chunked"):
            return ChunkedBody()
        length = self._headers.get("content-length")
        if length is not None:
            return MeasuredBody(_valid_length(length), strict=self.strict_content_length)
        return self._unframed_body()

    def _unframed_body(self) -> OutgoingBody:
        return UnmeasuredBody()

    def _headers_open(self, what: str) -> None:
        if self.headers_sent:
            raise NodeError(
                f"Cannot {what} headers after they are sent to the client",
                "ERR_HTTP_HEADERS_SENT",
            )


def _valid_length(length: HeaderValue) -> int:
    text = str(length).strip()
    if not (text.isascii() and text.isdigit()):
        raise NodeError(
            f"Content-Length {length!r}; expected the number of bytes of the body",
            "ERR_HTTP_INVALID_HEADER_VALUE",
        )
    return int(text)
