"""An HTTP message as it arrives: a server's request, a client's response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from tessel.errors import NodeError
from tessel.node._http.events import Body, End, RequestHead, ResponseHead
from tessel.node._http.headers import distinct, joined
from tessel.node._streams.base import Done
from tessel.node._streams.readable import Readable
from tessel.node.base.arguments import callback_or_none
from tessel.node.net import Socket

__all__ = ["IncomingMessage", "hang_up"]


def hang_up() -> NodeError:
    """The connection ended before the message did."""
    return NodeError("socket hang up", "ECONNRESET")


def cut() -> NodeError:
    """The connection ended within the body of the message."""
    return NodeError("aborted", "ECONNRESET")


class IncomingMessage(Readable):
    """A message as it arrives. `complete` is True once its last byte is there, and only then
    can `end` come; a connection cut before gives `aborted`, `error` and `close`.

    As in Node, an `error` that nobody listens for is dropped: `aborted` and `complete` say that the
    message was cut. `unheard` gets the error if nobody listens for either.
    """

    def __init__(
        self,
        socket: Socket,
        head: RequestHead | ResponseHead,
        unheard: Callable[[BaseException], object],
    ) -> None:
        super().__init__()
        self.socket = socket
        self.http_version = head.version
        self.http_version_major, self.http_version_minor = map(int, head.version.split("."))
        self.headers = joined(head.fields)
        self.headers_distinct = distinct(head.fields)
        self.raw_headers = _raw(head.fields)
        self.trailers: dict[str, str | list[str]] = {}
        self.trailers_distinct: dict[str, list[str]] = {}
        self.raw_trailers: list[str] = []
        self.complete = False
        self.aborted = False
        self.status_code: int | None = None
        self.status_message: str | None = None
        self.method: str | None = None
        self.url: str | None = None
        if isinstance(head, RequestHead):
            self.method, self.url = head.method, head.target
        else:
            self.status_code, self.status_message = head.status_code, head.reason
        self._unheard = unheard

    @property
    def connection(self) -> Socket:
        """The socket, by its older name."""
        return self.socket

    def set_timeout(self, timeout_ms: float, callback: Callable[..., object] | None = None) -> Self:
        """`timeout` comes after so long without bytes on the connection either way."""
        if (listener := callback_or_none(callback)) is not None:
            self.on("timeout", listener)
        self.socket.set_timeout(timeout_ms)
        return self

    # What the connection calls.

    def body(self, event: Body) -> None:
        if not self.push(event.data):
            self.socket.pause()

    def finish(self, end: End) -> None:
        """The last byte is there."""
        self.close_message(end)
        self.socket.resume()  # it may be waiting for the reader, and serves the next message now

    def close_message(self, end: End) -> None:
        self.trailers = joined(end.trailers)
        self.trailers_distinct = distinct(end.trailers)
        self.raw_trailers = _raw(end.trailers)
        self.complete = True
        self.push(None)

    def _read(self) -> None:
        if not self.complete:
            self.socket.resume()

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        if self.readable_ended:
            done(error)
        else:
            self.aborted = True
            self._runtime.next_tick(self._abort, error, done)

    def _abort(self, error: BaseException | None, done: Done) -> None:
        heard = self.emit("aborted") or self.listener_count("error") > 0
        if error is not None and not heard:
            self._unheard(error)
        done(error if self.listener_count("error") else None)


def _raw(fields: tuple[tuple[bytes, bytes], ...]) -> list[str]:
    return [text.decode("latin-1") for field in fields for text in field]
