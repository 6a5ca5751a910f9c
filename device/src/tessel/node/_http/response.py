"""`http.ServerResponse`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Self

from tessel.errors import NodeError
from tessel.node._http.bodies import header_lines
from tessel.node._http.events import RequestHead
from tessel.node._http.headers import (
    GivenHeaders,
    HeaderValue,
    OutgoingHeaders,
    check_value,
)
from tessel.node._http.messages import IncomingMessage
from tessel.node._http.outgoing import OutgoingMessage
from tessel.node._http.vocabulary import STATUS_CODES
from tessel.node._http.wire import HttpWire
from tessel.node._streams.base import Done

_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_LOWEST, _HIGHEST = 200, 999  # a status below 200 is informational: see write_continue


class ServerResponse(OutgoingMessage):
    """The response to one request. A server passes it to the listener of `request`.

    Set `status_code`, `status_message` and headers, or call `write_head`; then write the body and
    call `end`. Events: `finish`, `drain`, `timeout`, `error`, `close`.
    """

    def __init__(
        self,
        request: IncomingMessage,
        head: RequestHead,
        wire: HttpWire,
        *,
        kept: str | None,
    ) -> None:
        """Create the response to a request.

        `kept` is the value of the header Keep-Alive. None: the server closes the connection.
        """
        super().__init__(wire, OutgoingHeaders())
        self.req = request
        self.status_code = int(HTTPStatus.OK)
        self.status_message: str | None = None
        self.send_date = True
        self._method = head.method
        self._knows_chunks = head.version not in ("0.9", "1.0")
        # As in Node, an HTTP/1.0 client keeps its connection only if the program sets the header
        self._kept = kept if head.keep_alive and self._knows_chunks else None
        self._continue_due = False
        self._connect(request.socket)

    def write_head(
        self,
        status_code: int,
        status_message: str | GivenHeaders | None = None,
        headers: GivenHeaders | None = None,
    ) -> Self:
        """Set status and headers: `write_head(status, headers)` or with a message before them.

        The headers are a mapping, or a list of alternating names and values.
        """
        self._headers_open("write")
        _check_status(status_code)
        if status_message is not None and not isinstance(status_message, str):
            status_message, headers = None, status_message
        if status_message is not None:
            check_value("status_message", status_message)
            self.status_message = status_message
        self.status_code = status_code
        for name, value in OutgoingHeaders(headers).items():
            self.set_header(name, value)
        return self

    # Informational responses.

    def expect_continue(self) -> None:
        """Called for a request with `Expect: 100-continue`: enables `write_continue`."""
        self._continue_due = True

    def write_continue(self, callback: Callable[[], object] | None = None) -> None:
        """Send `100 Continue` if the client waits for it before it sends the body.

        `callback` is then called without arguments on a later tick.
        """
        if self._continue_due:
            self._continue_due = False
            self._inform(HTTPStatus.CONTINUE, OutgoingHeaders(), callback)

    def write_processing(self, callback: Callable[[], object] | None = None) -> None:
        """Send `102 Processing`: the client should wait longer for the response.

        `callback` is called without arguments on a later tick.
        """
        self._inform(HTTPStatus.PROCESSING, OutgoingHeaders(), callback)

    def write_early_hints(
        self, hints: Mapping[str, HeaderValue], callback: Callable[[], object] | None = None
    ) -> None:
        """Send `103 Early Hints`, an informational response with the headers `hints`.

        Its header `link` names resources that the client will need. `callback` is called without
        arguments on a later tick.
        """
        self._inform(HTTPStatus.EARLY_HINTS, OutgoingHeaders(hints), callback)

    def _inform(
        self, status: HTTPStatus, headers: OutgoingHeaders, callback: Callable[[], object] | None
    ) -> None:
        self._headers_open("write")
        if self.socket is not None and self._knows_chunks:  # HTTP/1.0 has no such responses
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
            self.socket.write(line + header_lines(headers.pairs()) + b"\r\n")
        if callback is not None:
            self._runtime.next_tick(callback)

    # What is sent.

    def _has_body(self) -> bool:
        informational = self.status_code < HTTPStatus.OK
        return not (self._method == "HEAD" or self.status_code in _NO_BODY or informational)

    def _check_head(self) -> None:
        super()._check_head()
        _check_status(self.status_code)
        check_value("status_message", self._message())

    def _start_line(self) -> bytes:
        return f"HTTP/1.1 {self.status_code} {self._message()}\r\n".encode("latin-1")

    def _message(self) -> str:
        if self.status_message is None:
            return STATUS_CODES.get(self.status_code, "unknown")
        return self.status_message

    def _complete_headers(self, length: int | None) -> None:
        self.status_message = self._message()
        if self.send_date and "date" not in self._headers:
            self._headers.set("Date", formatdate(self._runtime.wall_time(), usegmt=True))
        frame = self._frame(length)
        self._set_connection_header(stays=frame is not None or self._is_framed())
        if frame is not None:
            self._headers.set(*frame)

    def _frame(self, length: int | None) -> tuple[str, HeaderValue] | None:
        """Return the header that delimits the body; None if the program has set one."""
        has_body = self._has_body()
        if "content-length" in self._headers or "transfer-encoding" in self._headers:
            return None
        # The response to HEAD has no length unless the program wrote a body
        if length is not None and (has_body or length):
            return "Content-Length", length
        return ("Transfer-Encoding", "chunked") if has_body and self._knows_chunks else None

    def _is_framed(self) -> bool:
        """Return whether the client can find the end of the message on an open connection."""
        headers = self._headers
        return "content-length" in headers or "transfer-encoding" in headers or not self._has_body()

    def _set_connection_header(self, *, stays: bool) -> None:
        if "connection" in self._headers:
            return
        if self._kept is None or not stays:
            self._headers.set("Connection", "close")
            return
        self._headers.set("Connection", "keep-alive")
        if self._kept and "keep-alive" not in self._headers:
            self._headers.set("Keep-Alive", self._kept)

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        if self.socket is not None and not self.writable_finished:
            self.socket.destroy()
        done(error)


def _check_status(status_code: object) -> None:
    is_number = isinstance(status_code, int) and not isinstance(status_code, bool)
    if is_number and status_code in range(_LOWEST, _HIGHEST + 1):
        return
    raise NodeError(
        f"Invalid status code: {status_code!r}; allowed: {_LOWEST} to {_HIGHEST}",
        "ERR_HTTP_INVALID_STATUS_CODE",
    )
