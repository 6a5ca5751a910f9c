"""Received HTTP messages: a server's request, a client's response."""

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
    """Return the error (ECONNRESET) for a connection that ended before the response began."""
    return NodeError("socket hang up", "ECONNRESET")


def cut() -> NodeError:
    """Return the error (ECONNRESET) for a connection that ended in the middle of a message."""
    return NodeError("aborted", "ECONNRESET")


class IncomingMessage(Readable):
    """A received message, which is read as a stream.

    Attributes: `headers` (lower-case names), `headers_distinct`, `raw_headers`, `trailers`,
    `http_version`, `socket`, `complete` (the last byte was received), `aborted`; of a response
    `status_code` and `status_message`; of a request `method` and `url`.

    If the connection is cut, the events are `aborted`, `error` and `close`, and no `end`. As in
    Node, an `error` without a listener is dropped here. `unheard` is called with it if there is no
    listener for `aborted` either.
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
        """The socket of the message: Node's older name for `socket`."""
        return self.socket

    def set_timeout(self, timeout_ms: float, callback: Callable[..., object] | None = None) -> Self:
        """Emit `timeout` when the connection has sent and received nothing for `timeout_ms`.

        `callback` is a listener for `timeout`. 0 switches the timeout off.
        """
        if (listener := callback_or_none(callback)) is not None:
            self.on("timeout", listener)
        self.socket.set_timeout(timeout_ms)
        return self

    # For the connection.

    def body(self, event: Body) -> None:
        """Called with a part of the body: pushes it; pauses the socket if the buffer is full."""
        if not self.push(event.data):
            self.socket.pause()

    def finish(self, end: End) -> None:
        """Called when the whole message was received: ends the stream and resumes the socket."""
        self.close_message(end)
        self.socket.resume()  # it may be paused for this reader, and serves the next message now

    def close_message(self, end: End) -> None:
        """Set the trailers, mark the message as complete, and end the stream."""
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
