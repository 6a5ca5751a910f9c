"""One connection of an HTTP server: requests in sequence, each answered before the next."""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall

from tessel.node._http.events import Body, End, Event, HttpWireError, RequestHead
from tessel.node._http.limits import ServerLimits
from tessel.node._http.messages import IncomingMessage, cut
from tessel.node._http.parser import RequestParser
from tessel.node._http.response import ServerResponse
from tessel.node._http.vocabulary import STATUS_CODES
from tessel.node._http.wire import HttpWire
from tessel.node.base import runtime
from tessel.node.net import Socket


class _Phase(Enum):
    """The state of a connection; each has its own timeout."""

    IDLE = auto()  # between two requests
    HEAD = auto()  # waits for the head of a request
    BODY = auto()  # waits for the body; the response may be sent already
    ANSWER = auto()  # the request is complete; the program may take any time to respond
    CLOSING = auto()  # the last response is sent; waits for the client to close
    SWITCHED = auto()  # the program uses the connection for another protocol


class ServerEvents(Protocol):
    """The members of a server that its connections use. `listening`: it accepts connections."""

    require_host_header: bool
    timeout: float

    @property
    def listening(self) -> bool: ...
    def listener_count(self, event: str) -> int: ...
    def emit(self, event: str, *args: object) -> bool: ...


class ServerConnection:
    """Parses the requests of one socket, and emits them as `request` events of the server.

    Each request is answered before the next is parsed. Timeouts and other limits are in `limits`.
    """

    def __init__(self, site: ServerEvents, socket: Socket, limits: ServerLimits) -> None:
        self.socket = socket
        self._site = site
        self._limits = limits
        self._parser = RequestParser(
            limits.max_header_bytes, limits.max_body_bytes, insecure=limits.insecure
        )
        self._wire = HttpWire(self._parser)
        self._request: IncomingMessage | None = None
        self._response: ServerResponse | None = None
        self._runtime = runtime.current()
        self._deadline: IDelayedCall | None = None
        self._requests = 0  # received
        self._phase = _Phase.HEAD
        self._enter(_Phase.HEAD)
        self._listening: dict[str, Callable[..., object]] = {
            "data": self._on_data,
            "end": self._on_end,
            "error": self._on_error,
            "timeout": self._on_timeout,
            "close": self._on_close,
        }
        for event, listener in self._listening.items():
            socket.on(event, listener)
        socket.used_for(self._waits_for)
        if site.timeout:
            socket.set_timeout(site.timeout)

    def _waits_for(self) -> str:
        """Describe what the connection waits for, for the report at SIGINT."""
        if self._request is None:
            return "the next request"
        path = (self._request.url or "").partition("?")[0]  # a query may hold secrets
        ended = self._response is not None and self._response.writable_ended
        missing = "its response is not taken" if ended else "its response was not ended"
        return f"{self._request.method} {path}: {missing}"

    @property
    def idle(self) -> bool:
        """True while the connection waits for its next request."""
        return self._phase is _Phase.IDLE

    # Receiving.

    def _on_data(self, data: bytes) -> None:
        if self._phase is _Phase.CLOSING:
            return  # unread bytes would make TCP reset the connection and lose the response
        if self._phase is _Phase.IDLE:
            self._enter(_Phase.HEAD)
        self._take(self._wire.receive(data))
        if self._phase is _Phase.ANSWER and self._wire.pending > self._limits.max_header_bytes:
            self.socket.pause()  # requests come faster than they are answered

    def _on_end(self) -> None:
        """Handle the client's FIN: it can still read the response."""
        if self._phase is not _Phase.CLOSING:
            self._take(self._wire.receive_end())
        if self._phase not in (_Phase.ANSWER, _Phase.SWITCHED):
            self.socket.end()

    def _on_timeout(self) -> None:
        """Emit `timeout`; as in Node, close the socket if there is no listener."""
        request = self._request
        heard = request is not None and not request.complete and request.emit("timeout")
        heard |= self._response is not None and self._response.emit("timeout")
        heard |= self._site.emit("timeout", self.socket)
        if not heard:
            self.socket.destroy()

    def _on_error(self, error: BaseException) -> None:
        # A lost client is no error of the program; `close` follows
        self._site.emit("clientError", error, self.socket)

    def _on_close(self, *_: object) -> None:
        self._stop_deadline()
        if self._request is not None and not self._request.complete:
            self._request.destroy(cut())
        if self._response is not None:
            self._response.destroy()

    def _take(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._on_event(event)
                if self._phase is _Phase.SWITCHED or self.socket.destroyed:
                    return
        except HttpWireError as error:
            self._refuse(error)

    def _on_event(self, event: Event) -> None:
        match event:
            case RequestHead():
                self._begin(event)
            case Body() if self._request is not None:
                self._request.body(event)
            case End() if self._request is not None and self._phase is not _Phase.CLOSING:
                self._enter(_Phase.ANSWER)
                self._request.finish(event)
                self._go_on()
            case _:
                pass  # rest of a refused request

    # One request and its response.

    def _begin(self, head: RequestHead) -> None:
        if head.upgrade and self._is_switch(head):
            self._switch("connect" if head.method == "CONNECT" else "upgrade", head)
            return
        self._enter(_Phase.BODY)
        request = IncomingMessage(self.socket, head, _unheard)
        self._requests += 1
        response = ServerResponse(request, head, self._wire, kept=self._kept())
        request.once("close", lambda *_: self._given_up(request))
        response.once("finish", lambda: self._answered(request))
        self._request, self._response = request, response
        self._offer(head, request, response)

    def _kept(self) -> str | None:
        """Return the value of Keep-Alive; None if this request is the connection's last."""
        last = 0 < self._limits.max_requests <= self._requests
        return self._limits.kept if self._site.listening and not last else None

    def _offer(self, head: RequestHead, request: IncomingMessage, response: ServerResponse) -> None:
        expected = request.headers.get("expect")
        if (
            self._site.require_host_header
            and head.version == "1.1"
            and "host" not in request.headers
        ):
            response.write_head(HTTPStatus.BAD_REQUEST, {"Connection": "close"}).end()
        elif expected is None or head.version != "1.1":
            self._site.emit("request", request, response)
        elif str(expected).lower() == "100-continue":
            response.expect_continue()
            if not self._site.emit("checkContinue", request, response):
                response.write_continue()
                self._site.emit("request", request, response)
        elif not self._site.emit("checkExpectation", request, response):
            response.write_head(HTTPStatus.EXPECTATION_FAILED).end()

    def _is_switch(self, head: RequestHead) -> bool:
        """Return whether the request switches protocols: CONNECT, or `upgrade` has a listener."""
        if head.method == "CONNECT" or self._site.listener_count("upgrade"):
            return True
        self._parser.decline(head)
        return False

    def _switch(self, event: str, head: RequestHead) -> None:
        """Give the connection to the program, which uses another protocol now."""
        self._enter(_Phase.SWITCHED)
        self.socket.used_for(None)
        for name, listener in self._listening.items():
            self.socket.off(name, listener)
        request = IncomingMessage(self.socket, head, _unheard)
        request.close_message(End())
        self.socket.readable_flowing = None  # as in Node, its bytes wait for a listener
        if not self._site.emit(event, request, self.socket, self._wire.left_over):
            self.socket.on("error", lambda _: None)
            self.socket.destroy()

    def _given_up(self, request: IncomingMessage) -> None:
        """Close the connection if the program destroyed a request before it had read it."""
        if request.aborted and request is self._request and self._phase is not _Phase.CLOSING:
            self.socket.destroy()

    def _answered(self, request: IncomingMessage) -> None:
        request.resume()  # an unread body must not block the next request
        if not self._wire.we_stay:
            self.socket.end()
        self._go_on()

    def _go_on(self) -> None:
        """If request and response are complete, wait for the next request, or close."""
        if self._phase is not _Phase.ANSWER or not self._is_answered():
            return
        self._request = self._response = None
        if self._wire.done and self._site.listening:
            self._wire.next_cycle()
            self._enter(_Phase.IDLE)
            self.socket.resume()
            self._runtime.next_tick(self._on_left_over)
        else:
            self._enter(_Phase.CLOSING)
            self.socket.end()

    def _is_answered(self) -> bool:
        return self._response is None or self._response.writable_finished

    def _on_left_over(self) -> None:
        """Handle a next request that was received already."""
        if self._phase is _Phase.IDLE and not self._wire.between:
            self._enter(_Phase.HEAD)
            self._take(self._wire.events())

    # Refusals and timeouts.

    def _refuse(self, error: HttpWireError) -> None:
        answering = self._response is not None and self._response.headers_sent
        if self._response is not None:
            self._response.silence()
        if self._request is not None:
            # As in Node on a later tick, after the bytes received before
            self._runtime.next_tick(self._request.destroy, cut())
        self._enter(_Phase.CLOSING)
        if self._site.emit("clientError", error, self.socket):
            return
        if answering:
            self.socket.destroy()
        else:
            self.socket.end(_refusal(error.status))

    def _enter(self, phase: _Phase) -> None:
        self._stop_deadline()
        self._phase = phase
        limits = self._limits
        timeout_ms = {
            _Phase.IDLE: limits.keep_alive_timeout_ms,
            _Phase.HEAD: limits.headers_timeout_ms,
            _Phase.BODY: limits.request_timeout_ms,
            _Phase.ANSWER: 0,
            _Phase.CLOSING: limits.keep_alive_timeout_ms,
            _Phase.SWITCHED: 0,
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
        if self._phase in (_Phase.HEAD, _Phase.BODY):
            self._refuse(HttpWireError("ERR_HTTP_REQUEST_TIMEOUT", "Request timeout", 408))
        else:
            self.socket.destroy()


def _unheard(_: BaseException) -> None:
    """Ignore the error of a cut request: the server continues with others."""


def _refusal(status: int) -> bytes:
    phrase = STATUS_CODES[status]
    return f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
