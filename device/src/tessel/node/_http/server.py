"""`http.Server`."""

from collections.abc import Mapping
from typing import Self

from tessel.node import net
from tessel.node._http.connection import ServerConnection
from tessel.node._http.limits import ServerLimits
from tessel.node._net.options import UNSUPPORTED, valid_timeout
from tessel.node._net.server import SERVER_OPTIONS
from tessel.node.base.arguments import (
    Callback,
    callback_or_none,
    check_options,
    options_mapping,
    split_callback,
)

_OF_HTTP = frozenset(
    {"max_header_size", "max_body_size", "headers_timeout", "request_timeout"}
    | {"keep_alive_timeout", "require_host_header", "insecure_http_parser"}
)
_OPTIONS = _OF_HTTP | (SERVER_OPTIONS - {"allow_half_open"})
_UNSUPPORTED = {
    **UNSUPPORTED,
    "allow_half_open": "a client may always end its side and wait for the response",
    "connections_checking_interval": "each connection has a timer of its own",
    "high_water_mark": "it is fixed",
    "join_duplicate_headers": "`headers_distinct` has every value by itself",
    "unique_headers": "set a header once",
    "reject_non_standard_body_writes": "a body that is not allowed is dropped",
    "incoming_message": "classes of messages are fixed",
    "server_response": "classes of messages are fixed",
    "keep_alive_timeout_buffer": "set `keep_alive_timeout` itself longer",
}


class HttpServer(net.Server):
    """An HTTP server. `http.create_server` returns it.

    Events: those of `net.Server`, and `request` (IncomingMessage, ServerResponse), `connect`,
    `upgrade`, `checkContinue`, `checkExpectation`, `timeout`, `clientError`.

    Options, which are also attributes for later connections:

    - `max_header_size`, `max_body_size`: in bytes; larger requests are refused.
    - `headers_timeout`, `request_timeout`, `keep_alive_timeout`: in ms, to receive a head, to
      receive a body, and to wait for the next request. 0: no limit.
    - `require_host_header`: refuse HTTP/1.1 requests without Host (default: True).
    - `insecure_http_parser`: accept some malformed requests (default: False).
    """

    _scheme = "http"

    def __init__(
        self, options: Mapping[str, object] | None = None, listener: Callback | None = None
    ) -> None:
        # Half open: a client may close its writing half after the request and wait for the response
        given = dict(options or {})
        check_options(given, _OPTIONS, f"{self._scheme}.create_server", _UNSUPPORTED)
        super().__init__({**_of_sockets(given), "allow_half_open": True}, self._serve)
        limits = ServerLimits.from_options(given)
        self.max_header_size = limits.max_header_bytes
        self.max_body_size = limits.max_body_bytes
        self.headers_timeout = limits.headers_timeout_ms
        self.request_timeout = limits.request_timeout_ms
        self.keep_alive_timeout = limits.keep_alive_timeout_ms
        self.insecure_http_parser = limits.insecure
        self.require_host_header = given.get("require_host_header") is not False
        self.max_requests_per_socket = 0  # 0: no limit; the last response says that it closes
        self.timeout: float = 0  # milliseconds without bytes; 0: no limit
        self._connections: set[ServerConnection] = set()
        if listener is not None:
            self.on("request", listener)

    def set_timeout(self, timeout_ms: float = 0, callback: Callback | None = None) -> Self:
        """Set the time without sent or received bytes (ms) after which a connection is closed.

        0: never. The value applies to later connections. A listener for `timeout` on the server
        (called with the socket), the request or the response prevents the close. `callback` is such
        a listener of the server.
        """
        self.timeout = valid_timeout(timeout_ms)
        if (listener := callback_or_none(callback)) is not None:
            self.on("timeout", listener)
        return self

    def close(self, callback: Callback | None = None) -> Self:
        """Accept no more connections; close idle ones now, and the others after their response.

        `callback` is a listener for `close`, which is emitted when all connections have ended.
        """
        super().close(callback)
        self.close_idle_connections()
        return self

    def close_idle_connections(self) -> None:
        """Close the connections that wait for their next request."""
        for connection in [each for each in self._connections if each.idle]:
            connection.socket.destroy()

    def close_all_connections(self) -> None:
        """Close all connections at once, also those with a request under way."""
        for connection in list(self._connections):
            connection.socket.destroy()

    def _serve(self, socket: net.Socket) -> None:
        connection = ServerConnection(self, socket, self._limits())
        self._connections.add(connection)
        socket.once("close", lambda *_: self._connections.discard(connection))

    def _limits(self) -> ServerLimits:
        return ServerLimits(
            max_header_bytes=self.max_header_size,
            max_body_bytes=self.max_body_size,
            headers_timeout_ms=self.headers_timeout,
            request_timeout_ms=self.request_timeout,
            keep_alive_timeout_ms=self.keep_alive_timeout,
            max_requests=self.max_requests_per_socket,
            insecure=self.insecure_http_parser,
        )


def _of_sockets(given: Mapping[str, object]) -> dict[str, object]:
    """Return the options of the sockets. As in Node, `no_delay` is on by default."""
    return {"no_delay": True, **{k: v for k, v in given.items() if k in SERVER_OPTIONS}}


def create_server(
    options: Mapping[str, object] | Callback | None = None,
    request_listener: Callback | None = None,
    **named: object,
) -> HttpServer:
    """Create an HTTP server: `create_server(listener)` or `create_server(options, listener)`.

    Options may be keywords; see Server. The listener is for `request`. Call `listen` to open the
    port.

    Raises:
        NodeError: an option is unknown or wrong.

    """
    places, listener = split_callback((options, request_listener), 1, "http.create_server")
    return HttpServer({**options_mapping(places[0] if places else None), **named}, listener)
