"""HTTP servers in the Node manner: `http.create_server(lambda request, response: ...)`."""

from collections.abc import Callable, Mapping
from typing import Self

from tessel.node import net
from tessel.node.events import EventEmitter
from tessel.node.http_connection import Limits, ServerConnection
from tessel.node.http_response import ServerResponse

__all__ = ["Server", "ServerResponse", "create_server"]

RequestListener = Callable[..., object]


class Server(EventEmitter):
    """Events: request, checkContinue, connection, listening, clientError, error, close.

    Options: `max_header_size`, `max_body_size` (octets), `headers_timeout`, `request_timeout`,
    `keep_alive_timeout` (milliseconds).
    """

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.limits = Limits.from_options(options or {})
        self._connections: set[ServerConnection] = set()
        self.closing = False
        # Half open: a client may end its side behind its request and wait for the answer
        self._server = net.create_server({"allow_half_open": True}, self._accepted)
        for event in ("listening", "error", "close"):
            self._server.on(event, self._relay(event))

    def listen(self, *args: object, **options: object) -> Self:
        """As `net.Server.listen`."""
        self._server.listen(*args, **options)
        return self

    def address(self) -> dict[str, object] | None:
        return self._server.address()

    def close(self, callback: Callable[..., object] | None = None) -> Self:
        """Accept no more; close the connections that wait for a next request."""
        self.closing = True
        self._server.close(callback)
        self.close_idle_connections()
        return self

    def close_idle_connections(self) -> None:
        for connection in [each for each in self._connections if each.idle]:
            connection.socket.destroy()

    def close_all_connections(self) -> None:
        for connection in list(self._connections):
            connection.socket.destroy()

    def _accepted(self, socket: net.Socket) -> None:
        connection = ServerConnection(self, socket, self.limits)
        self._connections.add(connection)
        socket.once("close", lambda *_: self._connections.discard(connection))
        self.emit("connection", socket)

    def _relay(self, event: str) -> Callable[..., object]:
        return lambda *args: self.emit(event, *args)


def create_server(
    options: Mapping[str, object] | RequestListener | None = None,
    request_listener: RequestListener | None = None,
) -> Server:
    """`create_server(listener)` or `create_server(options, listener)`."""
    if callable(options):
        options, request_listener = None, options
    server = Server(options)
    if request_listener is not None:
        server.on("request", request_listener)
    return server
