"""HTTP servers in the Node manner: `http.create_server(lambda request, response: ...)`."""

from collections.abc import Mapping
from typing import Self

from tessel.node import net
from tessel.node.arguments import Callback
from tessel.node.http_connection import ServerConnection
from tessel.node.http_limits import Limits
from tessel.node.http_response import ServerResponse

__all__ = ["Server", "ServerResponse", "create_server"]


class Server(net.Server):
    """Events besides those of `net.Server`: request, checkContinue, clientError.

    Options: `max_header_size`, `max_body_size` (octets), `headers_timeout`, `request_timeout`,
    `keep_alive_timeout` (milliseconds).
    """

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        # Half open: a client may end its side behind its request and wait for the answer
        super().__init__(self._serve, allow_half_open=True)
        self.limits = Limits.from_options(options or {})
        self.require_host_header = bool((options or {}).get("require_host_header", True))
        self.timeout: float = 0  # milliseconds; for connections that come from now on
        self._connections: set[ServerConnection] = set()

    def close(self, callback: Callback | None = None) -> Self:
        """Accept no more, close the connections that wait for a next request, and the others
        once they have answered.
        """
        super().close(callback)
        self.close_idle_connections()
        return self

    def close_idle_connections(self) -> None:
        for connection in [each for each in self._connections if each.idle]:
            connection.socket.destroy()

    def close_all_connections(self) -> None:
        for connection in list(self._connections):
            connection.socket.destroy()

    def _serve(self, socket: net.Socket) -> None:
        connection = ServerConnection(self, socket, self.limits)
        self._connections.add(connection)
        socket.once("close", lambda *_: self._connections.discard(connection))


def create_server(
    options: Mapping[str, object] | Callback | None = None,
    request_listener: Callback | None = None,
) -> Server:
    """`create_server(listener)` or `create_server(options, listener)`."""
    if callable(options):
        options, request_listener = None, options
    server = Server(options)
    if request_listener is not None:
        server.on("request", request_listener)
    return server
