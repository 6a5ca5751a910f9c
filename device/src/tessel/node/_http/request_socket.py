"""The part of a request that concerns its connection: socket options, and the bytes to send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from tessel.errors import NodeError
from tessel.node._http.agent import HttpAgent
from tessel.node._http.bodies import NoBody, OutgoingBody
from tessel.node._http.messages import IncomingMessage
from tessel.node._http.options import RequestOptions
from tessel.node._http.outgoing import OutgoingMessage
from tessel.node._http.wire import HttpWire
from tessel.node._net.options import valid_timeout
from tessel.node.base.arguments import callback_or_none
from tessel.node.net import Socket
from tessel.source_location import here

# Requests without a body have no Content-Length with these methods, and `Content-Length: 0` with
# all others.
_BODY_UNUSUAL = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class RequestOnSocket(OutgoingMessage):
    """A request that may not have a connection yet.

    Socket options that are set before are applied when the agent assigns a connection.
    """

    protocol: str

    def __init__(self, wire: HttpWire, options: RequestOptions, agent: HttpAgent) -> None:
        super().__init__(wire, options.headers)
        self.opened_at = here()
        self.agent = agent
        self.method = options.method
        self.path = options.path
        self.host = options.host
        self.response: IncomingMessage | None = None
        self._timeout_ms = options.timeout_ms
        self._no_delay: bool | None = None
        self._keep_alive: tuple[bool, float] | None = None

    def set_no_delay(self, enabled: bool = True) -> None:
        """Set `no_delay` on the socket, or on the later socket if there is none yet."""
        self._no_delay = enabled
        if self.socket is not None:
            self.socket.set_no_delay(enabled)

    def set_socket_keep_alive(self, enabled: bool = False, initial_delay_ms: float = 0) -> None:
        """Set `keep_alive` on the socket, or on the later socket if there is none yet.

        For the arguments see `Socket.set_keep_alive`.
        """
        self._keep_alive = enabled, initial_delay_ms
        if self.socket is not None:
            self.socket.set_keep_alive(enabled, initial_delay_ms)

    def clear_timeout(self, callback: Callable[..., object] | None = None) -> Self:
        """Switch the timeout off; remove the listener `callback` for `timeout` if it is given."""
        return self.set_timeout(0, callback)

    def set_timeout(self, timeout_ms: float, callback: Callable[..., object] | None = None) -> Self:
        """Emit `timeout` when the connection has sent and received nothing for `timeout_ms`.

        `callback` is a listener for the next `timeout`. 0 switches the timeout off, and removes the
        callback. As in Node, the request continues unless a listener destroys it.
        """
        if (listener := callback_or_none(callback)) is not None:
            (self.once if timeout_ms else self.off)("timeout", listener)
        self._timeout_ms = valid_timeout(timeout_ms)
        if self.socket is not None:
            self.socket.set_timeout(timeout_ms)
        return self

    def _apply_to(self, socket: Socket) -> None:
        if self._timeout_ms is not None:
            socket.set_timeout(self._timeout_ms)
        if self._no_delay is not None:
            socket.set_no_delay(self._no_delay)
        if self._keep_alive is not None:
            socket.set_keep_alive(*self._keep_alive)

    # Sending.

    def _start_line(self) -> bytes:
        return f"{self.method} {self.path} HTTP/1.1\r\n".encode("ascii")

    def _complete_headers(self, length: int | None) -> None:
        if not ("content-length" in self._headers or "transfer-encoding" in self._headers):
            self._frame(length)
        if "connection" not in self._headers:
            self._headers.set("Connection", "keep-alive" if self.agent.reuses else "close")

    def _unframed_body(self) -> OutgoingBody:
        if "transfer-encoding" in self._headers:
            raise NodeError(
                "a request's Transfer-Encoding must end with chunked",
                "ERR_HTTP_INVALID_HEADER_VALUE",
            )
        return NoBody()  # nothing was written: see `_frame`

    def _frame(self, length: int | None) -> None:
        usual = self.method not in _BODY_UNUSUAL
        if length is None and (usual or self.writable_length):
            self._headers.set("Transfer-Encoding", "chunked")
        elif length or (length == 0 and usual):
            self._headers.set("Content-Length", length)

    # What is reported of a request that is still open.

    def _waits_for(self) -> str:
        """Describe the open request, for the report at SIGINT. The query may be secret: omit it."""
        where = f"{self._headers.get('host') or self.host}{self.path.partition('?')[0]}"
        return f"{self.method} {self.protocol}//{where}: {self._state()}"

    def _state(self) -> str:
        if not self.writable_ended:
            return "end() was not called"
        if self.response is None:
            return "no response yet"
        read = {None: "is not read", False: "is paused", True: "is on the way"}
        return f"its response {read[self.response.readable_flowing]}"
