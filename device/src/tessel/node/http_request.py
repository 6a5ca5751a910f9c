"""One request of a client: from `http.request` to the last octet of the response, and back to the
agent with the connection.
"""

import re
from collections.abc import Callable, Iterator
from math import inf
from typing import Self

import h11

from tessel.node.http_agent import Agent
from tessel.node.http_messages import IncomingMessage, OutgoingMessage, hang_up
from tessel.node.http_options import RequestOptions
from tessel.node.http_wire import HttpWire, HttpWireError
from tessel.node.net import Socket
from tessel.node.stream_base import Done
from tessel.places import here

# With these, no body is the same as saying nothing; with all others its length of 0 is said.
_BODY_UNUSUAL = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

_REDIRECTION = 300  # status codes below, from 200 on, mean success


class ClientRequest(OutgoingMessage):
    """Events: socket, response, continue, information, upgrade, connect, timeout, abort, error,
    close.

    What fails before the response is the request's `error`; what fails after is the response's.
    """

    def __init__(self, options: RequestOptions, agent: Agent) -> None:
        wire = HttpWire(h11.CLIENT, options.max_header_octets, options.max_body_octets)
        super().__init__(wire, options.headers)
        self.opened_at = here()
        self._options = options
        self.method = options.method
        self.path = options.path
        self.agent = agent
        self.aborted = False
        self.reused_socket = False  # an ECONNRESET on such a one may be worth another try
        self.response: IncomingMessage | None = None
        self._response_over = False
        self._hint_ms = inf
        self._socket_error: BaseException | None = None
        self._timeout_ms = options.timeout_ms
        self._listening: list[tuple[str, Callable[..., object]]] = []
        agent.add_request(self, options.connection)

    def abort(self) -> None:
        """As `destroy`, with an event of its own."""
        if not self.aborted:
            self.aborted = True
            self._runtime.next_tick(self.emit, "abort")
            self.destroy()

    def set_timeout(self, timeout_ms: float, callback: Callable[..., object] | None = None) -> Self:
        """`timeout` comes after so long without octets either way; what to do then is the
        program's to say, as on Node.
        """
        if callback is not None:
            self.once("timeout", callback)
        self._timeout_ms = timeout_ms
        if self.socket is not None:
            self.socket.set_timeout(timeout_ms)
        return self

    # The connection comes.

    def on_socket(self, socket: Socket, *, reused: bool) -> None:
        """The agent has a connection for it."""
        if self.destroyed:
            self.agent.free(socket, self._options.connection)
            return
        if socket.destroyed:
            self.destroy(socket.errored or hang_up())
            return
        self.reused_socket = reused
        self._listen(socket)
        if self._timeout_ms is not None:
            socket.set_timeout(self._timeout_ms)
        self.emit("socket", socket)
        if not self.destroyed:
            self._connect(socket)
        if self._headers.says("expect", "100-continue"):
            self.flush_headers()

    def _listen(self, socket: Socket) -> None:
        self.socket = socket
        self._listening = [
            ("data", lambda octets: self._on_data(socket, octets)),
            ("end", lambda: self._on_end(socket)),
            ("timeout", lambda: self.emit("timeout")),
            ("error", self._on_error),
            ("close", self._on_close),
        ]
        for event, listener in self._listening:
            socket.on(event, listener)

    def _detach(self) -> Socket | None:
        """The connection is no longer this request's."""
        socket, self.socket = self.socket, None
        listening, self._listening = self._listening, []
        for event, listener in listening:
            if socket is not None:
                socket.off(event, listener)
        return socket

    # What goes out.

    def _head(self, length: int | None) -> h11.Request:
        if not ("content-length" in self._headers or "transfer-encoding" in self._headers):
            self._frame(length)
        if "connection" not in self._headers:
            self._headers.set("Connection", "keep-alive" if self.agent.reuses else "close")
        return h11.Request(method=self.method, target=self.path, headers=self._headers.pairs())

    def _frame(self, length: int | None) -> None:
        usual = self.method not in _BODY_UNUSUAL
        if length is None and (usual or self.writable_length):
            self._headers.set("Transfer-Encoding", "chunked")
        elif length or (length == 0 and usual):
            self._headers.set("Content-Length", length)

    # What comes in.

    def _on_data(self, socket: Socket, octets: bytes) -> None:
        if self.response is not None and self.response.complete:
            self._cut(hang_up())  # nothing may come behind a response but the next, not yet asked
            return
        try:
            self._take(socket, self._wire.receive(octets))
        except HttpWireError as error:
            self._cut(error)

    def _on_end(self, socket: Socket) -> None:
        try:
            self._take(socket, self._wire.receive_end())
        except HttpWireError:
            self._cut(self._socket_error or hang_up())

    def _on_error(self, error: BaseException) -> None:
        self._socket_error = error  # `close` follows

    def _on_close(self, *_: object) -> None:
        self._cut(self._socket_error or hang_up())

    def _take(self, socket: Socket, events: Iterator[h11.Event]) -> None:
        for event in events:
            self._on_event(socket, event)
            if self.socket is not socket:
                return

    def _on_event(self, socket: Socket, event: h11.Event) -> None:
        match event:
            case h11.InformationalResponse(status_code=101):
                self._switch("upgrade", socket, event)
            case h11.InformationalResponse(status_code=100):
                self.emit("continue")
            case h11.InformationalResponse():
                self.emit("information", IncomingMessage(socket, event, self._unheard))
            case h11.Response() if self.method == "CONNECT" and event.status_code < _REDIRECTION:
                self._switch("connect", socket, event)
            case h11.Response():
                self._respond(socket, event)
            case h11.Data(data=octets) if self.response is not None:
                self.response.body(bytes(octets))
            case h11.EndOfMessage() if self.response is not None:
                self.response.finish(event)

    def _respond(self, socket: Socket, head: h11.Response) -> None:
        self.response = response = IncomingMessage(socket, head, self._unheard)
        self._hint_ms = _keep_alive_hint_ms(response)
        response.once("end", self._on_response_end)
        response.once("close", self._on_response_close)
        if not self.emit("response", response):
            response.resume()  # nobody wants it, and the connection is to be free again

    def _unheard(self, error: BaseException) -> None:
        if not self.destroyed:
            self.emit("error", error)

    # The connection goes.

    def _on_response_end(self) -> None:
        self._response_over = True
        self._release()

    def _on_response_close(self) -> None:
        if not self._response_over:
            self.destroy()

    def _release(self) -> None:
        """The response was taken whole."""
        socket = self.socket
        if socket is not None and self._wire.reusable:
            self._detach()
            socket.set_timeout(0)
            self.agent.free(socket, self._options.connection, self._hint_ms)
            self._settled()
        elif socket is not None and self._wire.peer_stays and not self.writable_finished:
            self.once("finish", self._release)  # the server answered before it had all
        else:
            self.destroy()

    def _switch(
        self, event: str, socket: Socket, head: h11.Response | h11.InformationalResponse
    ) -> None:
        """From now on the connection speaks another protocol: it is the program's."""
        self._detach()
        self._response_over = True
        self.agent.remove(socket, self._options.connection)
        response = IncomingMessage(socket, head, self._unheard)
        response.finish(h11.EndOfMessage())
        if not self.emit(event, response, socket, self._wire.left_over):
            socket.destroy()
        self.destroy()

    def _cut(self, error: BaseException) -> None:
        """The connection is of no more use. A response that is whole can still be read."""
        if self.response is None:
            self.destroy(error)
            return
        socket = self._detach()
        if socket is not None:
            socket.destroy()
        if self._response_over:
            self.destroy()
        elif not self.response.complete:
            self.response.destroy(error)

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        self.agent.cancel(self, self._options.connection)
        socket = self._detach()
        if socket is not None:
            socket.destroy()
        if self.response is not None:
            self.response.destroy(None if self._response_over else error or hang_up())
            done(error)
        else:
            # As on Node also when the program itself asked for it
            done(error if self._response_over else error or hang_up())

    def _is_over(self) -> bool:
        return self._response_over and super()._is_over()


def _keep_alive_hint_ms(response: IncomingMessage) -> float:
    found = re.search(r"\btimeout=(\d{1,9})\b", str(response.headers.get("keep-alive", "")))
    return int(found[1]) * 1000.0 if found else inf
