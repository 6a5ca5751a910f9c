"""What a server answers: status, headers, body."""

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Self

import h11

from tessel.errors import NodeError
from tessel.node.http_headers import HeaderValue, OutgoingHeaders
from tessel.node.http_messages import OutgoingMessage
from tessel.node.http_wire import HttpWire
from tessel.node.net import Socket
from tessel.node.stream_base import Done

_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_LOWEST, _HIGHEST = 200, 999  # what is below is no answer: see write_continue


class ServerResponse(OutgoingMessage):
    """The answer to one request. Events: finish, drain, error, close."""

    def __init__(self, socket: Socket, wire: HttpWire, method: str) -> None:
        super().__init__(wire, OutgoingHeaders())
        self.status_code = int(HTTPStatus.OK)
        self.status_message: str | None = None
        self._method = method
        self._connect(socket)

    def write_head(
        self,
        status_code: int,
        reason: str | Mapping[str, HeaderValue] | None = None,
        headers: Mapping[str, HeaderValue] | None = None,
    ) -> Self:
        """`write_head(status, headers)` or `write_head(status, message, headers)`."""
        if isinstance(reason, Mapping):
            reason, headers = None, reason
        if not _LOWEST <= status_code <= _HIGHEST:
            raise NodeError(
                f"status {status_code}; allowed: {_LOWEST} to {_HIGHEST}",
                "ERR_HTTP_INVALID_STATUS_CODE",
            )
        self.status_code, self.status_message = status_code, reason
        for name, value in (headers or {}).items():
            self.set_header(name, value)
        return self

    def write_continue(self) -> None:
        """Tell a client that asked first to send its body."""
        if self.socket is not None and self._wire.peer_is_waiting:
            informed = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.socket.write(self._wire.send(informed))

    def _has_body(self) -> bool:
        return self._method != "HEAD" and self.status_code not in _NO_BODY

    def _head(self, length: int | None) -> h11.Response:
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        # A HEAD without a body written says nothing of the length a GET would have had
        if length is not None and not framed and (self._has_body() or length):
            self._headers.set("Content-Length", length)
        if "date" not in self._headers:
            now = self._runtime.wall_time()
            self._headers.set("Date", formatdate(now, usegmt=True))
        return h11.Response(
            status_code=self.status_code, headers=self._headers.pairs(), reason=self._reason()
        )

    def _reason(self) -> bytes:
        if self.status_message is not None:
            return self.status_message.encode("latin-1", "replace")
        known = self.status_code in HTTPStatus.__members__.values()
        return HTTPStatus(self.status_code).phrase.encode("ascii") if known else b""

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        if self.socket is not None and not self.writable_finished:
            self.socket.destroy()
        done(error)
