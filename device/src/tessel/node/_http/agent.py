"""`http.Agent`: a pool of connections that requests share.

Requests share a connection only if all their options are equal: host, port, `proxy`, `ca`,
`servername`, `reject_unauthorized` and all others of `connect`. So a connection that avoids the
tunnel, or trusts another authority, never serves a request that did not ask for this.
"""

from collections import deque
from collections.abc import Hashable, Mapping
from math import inf
from typing import Protocol, TypeVar

from tessel.errors import NodeError
from tessel.node import net
from tessel.node._http.agent_options import frozen, limit, scheduling
from tessel.node._http.parked import Parked
from tessel.node._net.options import (
    CONNECT_OPTIONS,
    TLS_OPTIONS,
    UNSUPPORTED_OF_TLS,
)
from tessel.node.base import runtime
from tessel.node.base.arguments import check_options, options_mapping
from tessel.node.base.runtime import Runtime
from tessel.node.events import EventEmitter
from tessel.node.net import Socket

# Node's defaults.
MAX_FREE_SOCKETS = 256
KEEP_ALIVE_MSECS = 1_000.0
FREE_SOCKET_TIMEOUT_MS = 5_000.0  # shorter than most servers use
# Subtracted from a server's `Keep-Alive: timeout=N`, for the time on the network.
_HINT_MARGIN_MS = 1_000.0
# Requests that may wait for a connection with the same options; more are a fault of the program.
MAX_WAITING_REQUESTS = 10_000

PoolKey = tuple[tuple[str, Hashable], ...]
_OF_AGENT = frozenset(
    {"keep_alive", "keep_alive_msecs", "max_sockets", "max_total_sockets", "max_free_sockets"}
    | {"free_socket_timeout", "scheduling", "timeout"}
)
_Several = TypeVar("_Several", list[Socket], deque["PooledRequest"])


def of_connection(
    options: Mapping[str, object], known: frozenset[str] = CONNECT_OPTIONS
) -> dict[str, object]:
    """Return those of `options` whose names are in `known`: the options for `net.connect`.

    Options of the agent and of HTTP itself are left out. `known`: `TLS_OPTIONS` for `tls.connect`.
    """
    return {name: value for name, value in options.items() if name in known}


class PooledRequest(Protocol):
    """The methods of a request that its agent uses.

    `on_socket` gives the request its connection; `reused` is True if the connection served another
    request before.
    """

    @property
    def connection_options(self) -> Mapping[str, object]: ...
    def on_socket(self, socket: Socket, *, reused: bool) -> None: ...
    def destroy(self, error: BaseException | None = None) -> object: ...


class HttpAgent(EventEmitter):
    """A pool of connections for requests. Pass it as the option `agent` of a request.

    Options, as a mapping or keywords:

    - `keep_alive`: keep idle connections for later requests (default: False).
    - `max_sockets`: connections to one target with equal options (default: no limit).
    - `max_total_sockets`: connections to all targets (default: no limit).
    - `max_free_sockets`: idle connections to one target (default: 256).
    - `free_socket_timeout`: ms before an idle connection is closed (default: 5000).
    - `scheduling`: reuse the connection that was used last ("lifo", default) or first ("fifo").
    - `timeout` (ms) and the other options of `connect`: for all its connections.

    An idle connection does not keep the program alive. Event: `free` (Socket).
    """

    protocol = "http:"
    default_port = 80

    def __init__(self, options: Mapping[str, object] | None = None, **named: object) -> None:
        """Create an empty pool; raises NodeError for a wrong option."""
        super().__init__()
        given = {**options_mapping(options), **named}
        scheme = self.protocol.rstrip(":")
        check_options(given, _OF_AGENT | TLS_OPTIONS, f"{scheme}.Agent", UNSUPPORTED_OF_TLS)
        self.keep_alive = bool(given.pop("keep_alive", False))
        self.max_sockets = limit(given, "max_sockets", inf, lowest=1)
        self.max_free_sockets = limit(given, "max_free_sockets", MAX_FREE_SOCKETS)
        self.free_socket_timeout_ms = limit(given, "free_socket_timeout", FREE_SOCKET_TIMEOUT_MS)
        self.max_total_sockets = limit(given, "max_total_sockets", inf, lowest=1)
        self.keep_alive_msecs = limit(given, "keep_alive_msecs", KEEP_ALIVE_MSECS)
        self.scheduling = scheduling(given.pop("scheduling", None))
        self.options = given
        self.sockets: dict[PoolKey, list[Socket]] = {}
        self.free_sockets: dict[PoolKey, list[Socket]] = {}
        self.requests: dict[PoolKey, deque[PooledRequest]] = {}
        self._parked: dict[Socket, Parked] = {}
        self._board: Runtime | None = None

    @property
    def reuses(self) -> bool:
        """True if the agent can reuse connections, so that requests ask servers to keep them."""
        return self.keep_alive or self.max_sockets < inf

    def get_name(self, options: Mapping[str, object]) -> PoolKey:
        """Return the key of a connection. Requests whose options give equal keys can share it."""
        merged = {**self.options, **options}
        return tuple(
            (name, frozen(merged[name])) for name in sorted(merged) if merged[name] is not None
        )

    @property
    def total_socket_count(self) -> int:
        """The number of open connections of the agent to all targets, in use or idle."""
        pools = (self.sockets, self.free_sockets)
        return sum(len(sockets) for pool in pools for sockets in pool.values())

    def keep_socket_alive(self, socket: Socket) -> bool:  # noqa: ARG002 - for programs to override
        """Return whether to keep an idle connection; here always True. Programs can override it."""
        return True

    def reuse_socket(self, socket: Socket, request: PooledRequest) -> None:
        """Called before a request reuses a connection: does nothing. Programs can override it."""

    def create_connection(self, options: Mapping[str, object]) -> Socket:
        """Return a new TCP socket that connects for a request. Programs can override it."""
        return net.connect(of_connection(options))

    # For requests.

    def add_request(self, request: PooledRequest, options: Mapping[str, object]) -> None:
        """Find a connection for a request; pass it to the request's `on_socket` on a later tick.

        At a limit the request waits in the queue. Raises NodeError if 10 000 requests with equal
        options wait already.
        """
        self._settle_on_board()
        key = self.get_name(options)
        parked = self._take_parked(key)
        if parked is not None:
            self.reuse_socket(parked, request)
            self._assign(parked, request, reused=True)
        elif self._has_room(key):
            self._assign(self._connected(key, options), request, reused=False)
        else:
            self._wait(key, request)

    def cancel(self, request: PooledRequest, options: Mapping[str, object]) -> None:
        """Remove a request from the queue for a connection; do nothing if it is not queued."""
        key = self.get_name(options)
        waiting = self.requests.get(key, deque())
        if request in waiting:
            waiting.remove(request)
            _forget_if_empty(self.requests, key)

    def free(self, socket: Socket, options: Mapping[str, object], hint_ms: float = inf) -> None:
        """Take back a connection whose request is complete.

        The connection serves the next queued request, or is kept idle, or is closed. `hint_ms`: the
        time in ms for which the server keeps an idle connection open.
        """
        key = self.get_name(options)
        waiting = self.requests.get(key)
        if socket.destroyed or not socket.writable:
            socket.destroy()
        elif waiting:
            self._assign(socket, self._next_waiting(key, waiting), reused=True)
        else:
            self._park(key, socket, hint_ms - _HINT_MARGIN_MS)

    def remove(self, socket: Socket, options: Mapping[str, object]) -> None:
        """Remove a connection from the pool without closing it.

        Called when the program uses the connection for another protocol.
        """
        key = self.get_name(options)
        self.sockets[key].remove(socket)
        _forget_if_empty(self.sockets, key)
        self._serve_next(key, options)

    def destroy(self) -> None:
        """Close all connections of the agent, also those in use by requests."""
        for pool in (self.free_sockets, self.sockets):
            for socket in [each for sockets in pool.values() for each in sockets]:
                socket.destroy()

    def _settle_on_board(self) -> None:
        """Empty the pool if another board is on than before: its connections are closed."""
        if self._board is not runtime.current():
            self._board = runtime.current()
            self.sockets, self.free_sockets, self.requests, self._parked = {}, {}, {}, {}

    # Connections in use.

    def _connected(self, key: PoolKey, options: Mapping[str, object]) -> Socket:
        socket = self.create_connection({"no_delay": True, **self.options, **options})
        # Between two requests there is no other listener for errors, and none is needed
        socket.on("error", lambda _: None)
        socket.once("close", lambda *_: self._gone(key, options, socket))
        self.sockets.setdefault(key, []).append(socket)
        return socket

    @staticmethod
    def _assign(socket: Socket, request: PooledRequest, *, reused: bool) -> None:
        # On a later tick, when the program has added its listeners
        runtime.current().next_tick(lambda: request.on_socket(socket, reused=reused))

    def _gone(self, key: PoolKey, options: Mapping[str, object], socket: Socket) -> None:
        for pool in (self.sockets, self.free_sockets):
            if socket in pool.get(key, ()):
                pool[key].remove(socket)
                _forget_if_empty(pool, key)
        parked = self._parked.pop(socket, None)
        if parked is not None:
            parked.leave()
        self._serve_next(key, options)
        self._serve_others()

    def _has_room(self, key: PoolKey) -> bool:
        """Return whether one more connection is allowed; close an idle one to make room."""
        if len(self.sockets.get(key, ())) >= self.max_sockets:
            return False
        if self.total_socket_count < self.max_total_sockets:
            return True
        idle = next((one for free in self.free_sockets.values() for one in free), None)
        if idle is not None:
            idle.destroy()  # its `close` serves the next request
        return False

    def _serve_next(self, key: PoolKey, options: Mapping[str, object]) -> None:
        waiting = self.requests.get(key)
        if not waiting or not self._has_room(key):
            return
        request = self._next_waiting(key, waiting)
        self._assign(self._connected(key, options), request, reused=False)

    def _serve_others(self) -> None:
        """Serve requests to other targets, if the total limit made them wait."""
        if self.max_total_sockets < inf:
            for key, waiting in list(self.requests.items()):
                if waiting:
                    self._serve_next(key, waiting[0].connection_options)

    def _next_waiting(self, key: PoolKey, waiting: deque[PooledRequest]) -> PooledRequest:
        request = waiting.popleft()
        _forget_if_empty(self.requests, key)
        return request

    def _wait(self, key: PoolKey, request: PooledRequest) -> None:
        waiting = self.requests.setdefault(key, deque())
        if len(waiting) >= MAX_WAITING_REQUESTS:
            raise NodeError(
                f"{MAX_WAITING_REQUESTS} requests wait for a connection already", "EAGAIN"
            )
        waiting.append(request)

    # Idle connections.

    def _park(self, key: PoolKey, socket: Socket, hint_ms: float) -> None:
        timeout_ms = min(self.free_socket_timeout_ms, hint_ms)
        full = len(self.free_sockets.get(key, ())) >= self.max_free_sockets
        kept = self.keep_alive and not full and timeout_ms > 0 and not self._is_wanted_elsewhere()
        if not kept or not self.keep_socket_alive(socket):
            socket.destroy()
            return
        self.sockets[key].remove(socket)
        _forget_if_empty(self.sockets, key)
        self.free_sockets.setdefault(key, []).append(socket)
        self._parked[socket] = Parked(socket, timeout_ms)
        self.emit("free", socket)

    def _is_wanted_elsewhere(self) -> bool:
        """Return whether requests to other targets wait for this connection's place."""
        return bool(self.requests) and self.total_socket_count >= self.max_total_sockets

    def _take_parked(self, key: PoolKey) -> Socket | None:
        """Return an idle connection: the one used last, or first if `scheduling` is "fifo"."""
        free = self.free_sockets.get(key, [])
        while free:
            socket = free.pop(-1 if self.scheduling == "lifo" else 0)
            _forget_if_empty(self.free_sockets, key)
            self._parked.pop(socket).leave()
            if not socket.destroyed and socket.writable:
                self.sockets.setdefault(key, []).append(socket)
                return socket
        return None


def _forget_if_empty(pool: dict[PoolKey, _Several], key: PoolKey) -> None:
    if not pool.get(key):
        pool.pop(key, None)
