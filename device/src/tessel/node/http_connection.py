"""One connection of an HTTP server: requests one after another, each answered before the next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol, Self

import h11
from twisted.internet.interfaces import IDelayedCall

from tessel.node import runtime
from tessel.node.http_messages import IncomingMessage, hang_up
from tessel.node.http_options import MAX_HEADER_OCTETS, number
from tessel.node.http_response import ServerResponse
from tessel.node.http_wire import HttpWire, HttpWireError
from tessel.node.net import Socket

# Node's defaults, in milliseconds.
HEADERS_TIMEOUT_MS = 60_000
REQUEST_TIMEOUT_MS = 300_000
KEEP_ALIVE_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of a server."""

    max_header_octets: int
    max_body_octets: int | None  # None: bodies are streamed, a long one costs no memory
    headers_timeout_ms: int
    request_timeout_ms: int
    keep_alive_timeout_ms: int

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> Self:
        body = options.get("max_body_size")
        return cls(
            max_header_octets=number(options, "max_header_size", MAX_HEADER_OCTETS),
            max_body_octets=None if body is None else number(options, "max_body_size", 0),
            headers_timeout_ms=number(options, "headers_timeout", HEADERS_TIMEOUT_MS),
            request_timeout_ms=number(options, "request_timeout", REQUEST_TIMEOUT_MS),
            keep_alive_timeout_ms=number(options, "keep_alive_timeout", KEEP_ALIVE_TIMEOUT_MS),
        )


class Phase(Enum):
    """What a connection is about; each has its deadline."""

    IDLE = auto()  # between two requests
    HEAD = auto()  # the head of a request is awaited
    BODY = auto()  # its body is, though the answer may be sent already
    ANSWER = auto()  # the request is whole; the program has all its time to answer
    CLOSING = auto()  # the last is said; the client may close now


class Site(Protocol):
    """A server, as far as its connections know it."""

    @property
    def listening(self) -> bool: ...
    def emit(self, event: str, *args: object) -> bool: ...


class ServerConnection:
    """Joins a socket and its HTTP to the `request` events of a server."""

    def __init__(self, site: Site, socket: Socket, limits: Limits) -> None:
        self.socket = socket
        self._site = site
        self._limits = limits
        self._wire = HttpWire(h11.SERVER, limits.max_header_octets, limits.max_body_octets)
        self._request: IncomingMessage | None = None
        self._response: ServerResponse | None = None
        self._runtime = runtime.current()
        self._deadline: IDelayedCall | None = None
        self._phase = Phase.HEAD
        self._enter(Phase.HEAD)
        socket.on("data", self._on_data)
        socket.on("end", self._on_end)
        socket.on("error", self._on_error)
        socket.on("close", self._on_close)

    @property
    def idle(self) -> bool:
        return self._phase is Phase.IDLE

    # What comes in.

    def _on_data(self, octets: bytes) -> None:
        if self._phase is Phase.CLOSING:
            return  # read, so that what was answered is not lost in a reset
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self._take(self._wire.receive(octets))
        if (
            self._phase is Phase.ANSWER
            and len(self._wire.left_over) > self._limits.max_header_octets
        ):
            self.socket.pause()  # it sends requests faster than they are answered

    def _on_end(self) -> None:
        """The client sends no more; it may still read the answer."""
        if self._phase is not Phase.CLOSING:
            self._take(self._wire.receive_end())
        if self._phase is not Phase.ANSWER:
            self.socket.end()

    def _on_error(self, error: BaseException) -> None:
        # A client that goes away is no fault of the program's: `close` follows
        self._site.emit("clientError", error, self.socket)

    def _on_close(self, *_: object) -> None:
        self._stop_deadline()
        if self._request is not None and not self._request.complete:
            self._request.destroy(hang_up())
        if self._response is not None:
            self._response.destroy()

    def _take(self, events: Iterator[h11.Event]) -> None:
        try:
            for event in events:
                self._on_event(event)
        except HttpWireError as error:
            self._refuse(error)

    def _on_event(self, event: h11.Event) -> None:
        match event:
            case h11.Request():
                self._begin(event)
            case h11.Data(data=octets) if self._request is not None:
                self._request.body(bytes(octets))
            case h11.EndOfMessage() if self._request is not None:
                self._enter(Phase.ANSWER)
                self._request.finish(event)
                self._go_on()

    # One request and its answer.

    def _begin(self, head: h11.Request) -> None:
        self._enter(Phase.BODY)
        request = IncomingMessage(self.socket, head, _unheard)
        response = ServerResponse(self.socket, self._wire, head.method.decode("ascii"))
        response.once("finish", lambda: self._answered(request))
        self._request, self._response = request, response
        if self._wire.peer_is_waiting:
            if self._site.emit("checkContinue", request, response):
                return
            response.write_continue()
        self._site.emit("request", request, response)

    def _answered(self, request: IncomingMessage) -> None:
        request.resume()  # what the program did not want of it must not block the next
        if not self._wire.we_stay:
            self.socket.end()
        self._go_on()

    def _go_on(self) -> None:
        """Both messages are whole: to the next request, or to the end."""
        if self._phase is not Phase.ANSWER or not self._is_answered():
            return
        self._request = self._response = None
        if self._wire.done and self._site.listening:
            self._wire.next_cycle()
            self._enter(Phase.IDLE)
            self.socket.resume()
            self._runtime.next_tick(self._on_left_over)
        else:
            self._enter(Phase.CLOSING)
            self.socket.end()

    def _is_answered(self) -> bool:
        return self._response is None or self._response.writable_finished

    def _on_left_over(self) -> None:
        """The next request may have come already."""
        if self._phase is Phase.IDLE and self._wire.left_over:
            self._enter(Phase.HEAD)
            self._take(self._wire.events())

    # What must not go on.

    def _refuse(self, error: HttpWireError) -> None:
        answering = self._response is not None and self._response.headers_sent
        if self._response is not None:
            self._response.silence()
        if self._request is not None:
            self._request.destroy(error)
        self._enter(Phase.CLOSING)
        if self._site.emit("clientError", error, self.socket):
            return
        if answering:
            self.socket.destroy()
        else:
            self.socket.end(_refusal(error.status))

    def _enter(self, phase: Phase) -> None:
        self._stop_deadline()
        self._phase = phase
        limits = self._limits
        timeout_ms = {
            Phase.IDLE: limits.keep_alive_timeout_ms,
            Phase.HEAD: limits.headers_timeout_ms,
            Phase.BODY: limits.request_timeout_ms,
            Phase.ANSWER: 0,
            Phase.CLOSING: limits.keep_alive_timeout_ms,
        }[phase]
        if timeout_ms:
            self._deadline = self._runtime.clock.callLater(
                timeout_ms / 1000, self._runtime.call, self._expired
            )

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()

    def _expired(self) -> None:
        self._deadline = None
        if self._phase in (Phase.HEAD, Phase.BODY):
            self._refuse(HttpWireError("ERR_HTTP_REQUEST_TIMEOUT", "Request timeout", 408))
        else:
            self.socket.destroy()


def _unheard(_: BaseException) -> None:
    """A request that was cut, and nobody minds: the server serves others."""


def _refusal(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
