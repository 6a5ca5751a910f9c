"""`http.ClientRequest`: a request, from `http.request` to the last byte of its response."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from math import inf

from tessel.node._http.agent import HttpAgent
from tessel.node._http.events import Body, End, Event, HttpWireError, ResponseHead
from tessel.node._http.messages import IncomingMessage, cut, hang_up
from tessel.node._http.options import RequestOptions
from tessel.node._http.parser import ResponseParser
from tessel.node._http.request_socket import RequestOnSocket
from tessel.node._http.wire import HttpWire
from tessel.node._streams.base import Done
from tessel.node.net import Socket


class ClientRequest(RequestOnSocket):
    """An HTTP request. `http.request` returns it; write its body and call `end` to send it.

    Events: `socket`, `response` (IncomingMessage), `continue`, `information`, `upgrade`, `connect`,
    `timeout`, `abort`, `error`, `close`. An error before the response is emitted by the request; a
    later error is emitted by the response.
    """

    def __init__(self, options: RequestOptions, agent: HttpAgent) -> None:
        parser = ResponseParser(
            options.max_header_bytes,
            options.max_body_bytes,
            method=options.method,
            insecure=options.insecure,
        )
        super().__init__(HttpWire(parser), options, agent)
        self._options = options
        self.protocol = agent.protocol
        self.aborted = False
        self.reused_socket = False  # True: after ECONNRESET the request may be repeated
        self._response_over = False
        self._hint_ms = inf
        self._socket_error: BaseException | None = None
        self._error_reported = False
        self._listening: list[tuple[str, Callable[..., object]]] = []
        agent.add_request(self, options.connection)

    @property
    def connection_options(self) -> Mapping[str, object]:
        """The options of the request's connection, which the agent reads."""
        return self._options.connection

    @property
    def should_keep_alive(self) -> bool:
        """True if the request asks the server to keep the connection open for later requests."""
        return self.agent.reuses and not self._headers.says("connection", "close")

    def abort(self) -> None:
        """Destroy the request and emit `abort`. Without a connection no `error` is emitted."""
        if not self.aborted:
            self.aborted = True
            self._runtime.next_tick(self.emit, "abort")
            self.destroy()

    # Getting a connection.

    def on_socket(self, socket: Socket, *, reused: bool) -> None:
        """Called by the agent with a connection: sends the request on it.

        `reused` is True if the connection served another request before.
        """
        if self.destroyed:
            self.agent.free(socket, self._options.connection)
            return
        if socket.destroyed:
            self.destroy(socket.errored or hang_up())
            return
        self.reused_socket = reused
        socket.used_for(self._waits_for, self.opened_at)
        self._listen(socket)
        self._apply_to(socket)
        self.emit("socket", socket)
        if not self.destroyed:
            self._connect(socket)
        if self._headers.says("expect", "100-continue"):
            self.flush_headers()

    def _listen(self, socket: Socket) -> None:
        self.socket = socket
        self._listening = [
            ("data", lambda data: self._on_data(socket, data)),
            ("end", lambda: self._on_end(socket)),
            ("timeout", self._on_timeout),
            ("error", self._on_error),
            ("close", self._on_close),
        ]
        for event, listener in self._listening:
            socket.on(event, listener)

    def _detach(self) -> Socket | None:
        """Stop using the connection; return it."""
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.used_for(None)
        listening, self._listening = self._listening, []
        for event, listener in listening:
            if socket is not None:
                socket.off(event, listener)
        return socket

    # Receiving.

    def _on_data(self, socket: Socket, data: bytes) -> None:
        if self.response is not None and self.response.complete:
            self._cut(hang_up())  # bytes after the response, without another request
            return
        try:
            self._take(socket, self._wire.receive(data))
        except HttpWireError as error:
            self._fail(error)

    def _on_end(self, socket: Socket) -> None:
        try:
            self._take(socket, self._wire.receive_end())
        except HttpWireError:
            self._cut(self._lost())

    def _on_timeout(self) -> None:
        self.emit("timeout")
        if self.response is not None:
            self.response.emit("timeout")

    def _on_error(self, error: BaseException) -> None:
        self._socket_error = error  # `close` follows

    def _on_close(self, *_: object) -> None:
        if self._socket_error is None:
            self._cut(self._lost())
        else:
            self._fail(self._socket_error)

    def _lost(self) -> BaseException:
        return self._socket_error or (hang_up() if self.response is None else cut())

    def _fail(self, error: BaseException) -> None:
        """Report an error, as in Node, by the request's `error`, and cut the response.

        If the request has no listener, the response's `error` reports it. (Node ends the program.)
        """
        under_way = self.response is not None and not self.response.complete
        if under_way and self.listener_count("error"):
            self._error_reported = True
            self.emit("error", error)
            self._cut(cut())
        else:
            self._cut(error)

    def _take(self, socket: Socket, events: Iterator[Event]) -> None:
        for event in events:
            self._on_event(socket, event)
            if self.socket is not socket:
                return

    def _on_event(self, socket: Socket, event: Event) -> None:
        match event:
            case ResponseHead(informational=True):
                self._inform(event)
            case ResponseHead(upgrade=True):
                self._switch("upgrade", socket, event)
            case ResponseHead() if self.method == "CONNECT":
                self._switch("connect", socket, event)  # as in Node also a refusal
            case ResponseHead():
                self._respond(socket, event)
            case Body() if self.response is not None:
                self.response.body(event)
            case End() if self.response is not None:
                self.response.finish(event)

    def _inform(self, head: ResponseHead) -> None:
        if head.status_code == HTTPStatus.CONTINUE:
            self.emit("continue")
        if self.socket is not None:
            self.emit("information", IncomingMessage(self.socket, head, self._unheard))

    def _respond(self, socket: Socket, head: ResponseHead) -> None:
        self.response = response = IncomingMessage(socket, head, self._unheard)
        self._hint_ms = _keep_alive_hint_ms(response)
        response.once("end", self._on_response_end)
        response.once("close", self._on_response_close)
        if not self.emit("response", response):
            response.resume()  # without a listener, drop it to free the connection

    def _unheard(self, error: BaseException) -> None:
        """Emit a response's error on the request; as in Node it does not end the program."""
        if not self.destroyed and not self._error_reported and self.listener_count("error"):
            self.emit("error", error)

    # Releasing the connection.

    def _on_response_end(self) -> None:
        self._response_over = True
        self._release()

    def _on_response_close(self) -> None:
        if not self._response_over:
            self.destroy()

    def _release(self) -> None:
        """Return the connection to the agent: the whole response was read."""
        socket = self.socket
        if socket is not None and self._wire.reusable:
            self._detach()
            socket.set_timeout(0)
            self.agent.free(socket, self._options.connection, self._hint_ms)
            self._settled()
        elif socket is not None and self._wire.peer_stays and not self.writable_finished:
            self.once(
                "finish", self._release
            )  # the server responded before it had the whole request
        else:
            self.destroy()

    def _switch(self, event: str, socket: Socket, head: ResponseHead) -> None:
        """Give the connection to the program: it uses another protocol now."""
        self._detach()
        self._response_over = True
        self.agent.remove(socket, self._options.connection)
        response = IncomingMessage(socket, head, self._unheard)
        response.close_message(End())
        socket.readable_flowing = None  # as in Node, its bytes wait for a listener
        if not self.emit(event, response, socket, self._wire.left_over):
            socket.destroy()
        self.destroy()

    def _cut(self, error: BaseException) -> None:
        """Close the connection. A complete response can still be read."""
        if self.response is None:
            self.destroy(error)
            return
        socket = self._detach()
        if socket is not None:
            socket.destroy()
        if self._response_over:
            self.destroy()
        elif not self.response.complete:
            # As in Node on a later tick, after the bytes received before
            self._runtime.next_tick(self.response.destroy, error)

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        self.agent.cancel(self, self._options.connection)
        socket = self._detach()
        if socket is not None:
            socket.destroy()
        if self.response is not None:
            self.response.destroy(None if self._response_over else error or cut())
            done(error)
        else:
            # As in Node also for `destroy`, but not for `abort` while it waits for a connection
            quiet = self._response_over or (self.aborted and socket is None)
            done(error if quiet else error or hang_up())

    def _is_over(self) -> bool:
        return self._response_over and super()._is_over()


def _keep_alive_hint_ms(response: IncomingMessage) -> float:
    found = re.search(r"\btimeout=(\d{1,9})\b", str(response.headers.get("keep-alive", "")))
    return int(found[1]) * 1000.0 if found else inf
