"""The two kinds of HTTP message as a program sees them: one that comes in, one that goes out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import h11

from tessel.errors import NodeError
from tessel.node.http_headers import HeaderValue, OutgoingHeaders, joined
from tessel.node.http_wire import HttpWire
from tessel.node.net import Socket
from tessel.node.readable import Readable
from tessel.node.stream_base import Chunk, Done
from tessel.node.writable import Writable


def hang_up() -> NodeError:
    """The connection ended before the message did."""
    return NodeError("socket hang up", "ECONNRESET")


class IncomingMessage(Readable):
    """A message as it arrives. `complete` is True once its last octet is there, and only then
    can `end` come; a connection cut before gives `aborted`, `error` and `close`.

    `unheard` gets the error if the program listens neither for `error` nor for `aborted`.
    """

    def __init__(
        self,
        socket: Socket,
        head: h11.Request | h11.Response | h11.InformationalResponse,
        unheard: Callable[[BaseException], object],
    ) -> None:
        super().__init__()
        fields = head.headers.raw_items()
        self.socket = socket
        self.http_version = head.http_version.decode("ascii")
        self.headers = joined(fields)
        self.raw_headers = [text.decode("latin-1") for field in fields for text in field]
        self.trailers: dict[str, str | list[str]] = {}
        self.raw_trailers: list[str] = []
        self.complete = False
        self.aborted = False
        self.status_code: int | None = None
        self.status_message: str | None = None
        self.method: str | None = None
        self.url: str | None = None
        if isinstance(head, h11.Request):
            self.method, self.url = head.method.decode("ascii"), head.target.decode("latin-1")
        else:
            self.status_code, self.status_message = head.status_code, head.reason.decode("latin-1")
        self._unheard = unheard

    def set_timeout(self, timeout_ms: float, callback: Callable[..., object] | None = None) -> Self:
        self.socket.set_timeout(timeout_ms, callback)
        return self

    # What the connection calls.

    def body(self, octets: bytes) -> None:
        if not self.push(octets):
            self.socket.pause()

    def finish(self, end: h11.EndOfMessage) -> None:
        """The last octet is there."""
        fields = end.headers.raw_items()
        self.trailers = joined(fields)
        self.raw_trailers = [text.decode("latin-1") for field in fields for text in field]
        self.complete = True
        self.socket.resume()  # it may be waiting for the reader, and is another's from now on
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
            # Node keeps quiet then, and the program never learns that it has but a part
            self._unheard(error)
        done(error if self.listener_count("error") else None)


class OutgoingMessage(Writable):
    """A message being made: its headers wait until the first of its body, or its end."""

    def __init__(self, wire: HttpWire, headers: OutgoingHeaders) -> None:
        super().__init__()
        self.headers_sent = False
        self.socket: Socket | None = None
        self._headers = headers
        self._trailers: list[tuple[bytes, bytes]] = []
        self._wire = wire
        self._ending = False  # what is written now is the last of it
        self._waiting: list[Callable[[Socket], None]] = []  # at most a write and the end

    def set_header(self, name: str, value: HeaderValue) -> Self:
        self._headers_open()
        self._headers.set(name, value)
        return self

    def get_header(self, name: str) -> HeaderValue | None:
        return self._headers.get(name)

    def has_header(self, name: str) -> bool:
        return name in self._headers

    def get_header_names(self) -> list[str]:
        return list(self._headers)

    def remove_header(self, name: str) -> None:
        self._headers_open()
        self._headers.remove(name)

    def add_trailers(self, trailers: Mapping[str, HeaderValue]) -> None:
        """Sent behind a chunked body; dropped with any other, which has no place for them."""
        self._trailers = OutgoingHeaders(trailers).pairs()

    def flush_headers(self) -> None:
        """Send the headers now, though the body is not known."""
        if not self.headers_sent:
            self._when_connected(self._flush_headers)

    def end(
        self,
        chunk: Chunk | Callable[..., object] | None = None,
        encoding: str | Callable[..., object] | None = None,
        callback: Callable[..., object] | None = None,
    ) -> Self:
        self._ending = True
        return super().end(chunk, encoding, callback)

    def silence(self) -> None:
        """Nothing more of it is sent, whatever the program still writes."""
        self.socket = None
        self.destroy()

    # What the two kinds of it say.

    def _head(self, length: int | None) -> h11.Request | h11.Response:
        """The head to send; `length` of the body, if it is known already."""
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
        events = [h11.Data(data=chunk)] if self._has_body() else []
        self._when_connected(lambda socket: self._send(socket, events, done))

    def _final(self, done: Done) -> None:
        end = h11.EndOfMessage(headers=self._trailers)
        self._when_connected(lambda socket: self._send(socket, [end], done))

    def _flush_headers(self, socket: Socket) -> None:
        self._send(socket, [], self._flushed)

    def _flushed(self, error: BaseException | None) -> None:
        if error is not None:
            self.destroy(error)

    def _send(self, socket: Socket, events: Sequence[h11.Event], done: Done) -> None:
        try:
            octets = self._head_octets() + b"".join(self._wire.send(event) for event in events)
        except h11.LocalProtocolError as problem:
            done(NodeError(str(problem), "ERR_HTTP_MESSAGE"))
            return
        if octets:
            # Its error is not told here: the socket's own `error` and `close` say why it failed
            socket.write(octets, lambda error=None: done(None) if error is None else None)
        else:
            done(None)

    def _head_octets(self) -> bytes:
        if self.headers_sent:
            return b""
        self.headers_sent = True
        return self._wire.send(self._head(self.writable_length if self._ending else None))

    def _headers_open(self) -> None:
        if self.headers_sent:
            raise NodeError("Cannot set headers after they are sent", "ERR_HTTP_HEADERS_SENT")
