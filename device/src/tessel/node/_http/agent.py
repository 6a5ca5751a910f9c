"""The pool of connections that requests share, as Node's `http.Agent`.

Connections are told apart by everything that was said about them: host, port, `proxy`, `ca`,
`servername`, `reject_unauthorized` and whatever else `connect` was given. One that was made to go
around the tunnel, or to trust another authority, never serves a request that did not ask for it.
"""

from collections import deque
from collections.abc import Hashable, Mapping
from math import inf
from typing import Protocol, TypeVar

from tessel.errors import NodeError
from tessel.node import net
from tessel.node._http.parked import Parked
from tessel.node._net.options import (
    CONNECT_OPTIONS,
    TLS_OPTIONS,
    UNSUPPORTED_OF_TLS,
)
from tessel.node.base import runtime
from tessel.node.base.arguments import ArgumentValueError, check_options, options_mapping
from tessel.node.base.runtime import Runtime
from tessel.node.events import EventEmitter
from tessel.node.net import Socket

# Node's defaults.
MAX_FREE_SOCKETS = 256
KEEP_ALIVE_MSECS = 1_000.0
FREE_SOCKET_TIMEOUT_MS = 5_000.0  # shorter than servers keep theirs, so that they seldom cross
# A server's `Keep-Alive: timeout=N` is taken a second shorter, for the time on the way.
_HINT_MARGIN_MS = 1_000.0
# Requests that wait for a connection to the same place; more of them is a program gone astray.
MAX_WAITING_REQUESTS = 10_000

PoolKey = tuple[tuple[str, Hashable], ...]
_OF_AGENT = frozenset(
    {"keep_alive", "keep_alive_msecs", "max_sockets", "max_total_sockets", "max_free_sockets"}
    | {"free_socket_timeout", "scheduling", "timeout"}
)
_Several = TypeVar("_Several", list[Socket], deque["Customer"])


def of_connection(
    options: Mapping[str, object], known: frozenset[str] = CONNECT_OPTIONS
) -> dict[str, object]:
    """Those that `connect` takes; the rest are the agent's and the request's own."""
    return {name: value for name, value in options.items() if name in known}


class Customer(Protocol):
    """A request, as far as an agent knows it."""

    @property
    def connection_options(self) -> Mapping[str, object]: ...
    def on_socket(self, socket: Socket, *, reused: bool) -> None: ...
    def destroy(self, error: BaseException | None = None) -> object: ...


class HttpAgent(EventEmitter):
    """Makes connections, at most `max_sockets` at once to one place and `max_total_sockets` to all.
    With `keep_alive` it keeps `max_free_sockets` that are done with, for `free_socket_timeout` ms;
    such an idle connection does not keep the process alive. `scheduling` says which of them is used
    next: the one used last ("lifo") or first ("fifo"). `timeout` (ms) and other options go to every
    connection it makes.
    """

    protocol = "http:"
    default_port = 80

    def __init__(self, options: Mapping[str, object] | None = None, **named: object) -> None:
        super().__init__()
        given = {**options_mapping(options), **named}
        scheme = self.protocol.rstrip(":")
        check_options(given, _OF_AGENT | TLS_OPTIONS, f"{scheme}.Agent", UNSUPPORTED_OF_TLS)
        self.keep_alive = bool(given.pop("keep_alive", False))
        self.max_sockets = _limit(given, "max_sockets", inf, lowest=1)
        self.max_free_sockets = _limit(given, "max_free_sockets", MAX_FREE_SOCKETS)
        self.free_socket_timeout_ms = _limit(given, "free_socket_timeout", FREE_SOCKET_TIMEOUT_MS)
        self.max_total_sockets = _limit(given, "max_total_sockets", inf, lowest=1)
        self.keep_alive_msecs = _limit(given, "keep_alive_msecs", KEEP_ALIVE_MSECS)
        self.scheduling = _scheduling(given.pop("scheduling", None))
        self.options = given
        self.sockets: dict[PoolKey, list[Socket]] = {}
        self.free_sockets: dict[PoolKey, list[Socket]] = {}
        self.requests: dict[PoolKey, deque[Customer]] = {}
        self._parked: dict[Socket, Parked] = {}
        self._board: Runtime | None = None

    @property
    def reuses(self) -> bool:
        """Is there any use in asking servers to keep connections open?"""
        return self.keep_alive or self.max_sockets < inf

    def get_name(self, options: Mapping[str, object]) -> PoolKey:
        """What tells a connection from others: all that was said about it."""
        said = {**self.options, **options}
        return tuple((name, _frozen(said[name])) for name in sorted(said) if said[name] is not None)

    @property
    def total_socket_count(self) -> int:
        """Of connections to all places, in use and idle."""
        pools = (self.sockets, self.free_sockets)
        return sum(len(sockets) for pool in pools for sockets in pool.values())

    def keep_socket_alive(self, socket: Socket) -> bool:  # noqa: ARG002 - for programs to override
        """A request is done with the connection: may it be kept? Programs override it."""
        return True

    def reuse_socket(self, socket: Socket, request: Customer) -> None:
        """A connection that was kept serves another request. Programs override it."""

    def create_connection(self, options: Mapping[str, object]) -> Socket:
        return net.connect(of_connection(options))

    # What a request calls.

    def add_request(self, request: Customer, options: Mapping[str, object]) -> None:
        """Give it a connection, now or when one is free. It hears of it on a later tick."""
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

    def cancel(self, request: Customer, options: Mapping[str, object]) -> None:
        """It no longer waits."""
        key = self.get_name(options)
        waiting = self.requests.get(key, deque())
        if request in waiting:
            waiting.remove(request)
            _forget_if_empty(self.requests, key)

    def free(self, socket: Socket, options: Mapping[str, object], hint_ms: float = inf) -> None:
        """The request is done with the connection, which could serve another.

        `hint_ms`: so long the server says it keeps it.
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
        """The connection speaks another protocol now, and counts no more."""
        key = self.get_name(options)
        self.sockets[key].remove(socket)
        _forget_if_empty(self.sockets, key)
        self._serve_next(key, options)

    def destroy(self) -> None:
        """Close all connections, those in use too."""
        for pool in (self.free_sockets, self.sockets):
            for socket in [each for sockets in pool.values() for each in sockets]:
                socket.destroy()

    def _settle_on_board(self) -> None:
        """A pool lives as long as the board that was on when it was filled: when that is
        switched off, its connections are gone.
        """
        if self._board is not runtime.current():
            self._board = runtime.current()
            self.sockets, self.free_sockets, self.requests, self._parked = {}, {}, {}, {}

    # Connections in use.

    def _connected(self, key: PoolKey, options: Mapping[str, object]) -> Socket:
        socket = self.create_connection({"no_delay": True, **self.options, **options})
        # A request listens for its errors; between two requests nobody does, and none is needed
        socket.on("error", lambda _: None)
        socket.once("close", lambda *_: self._gone(key, options, socket))
        self.sockets.setdefault(key, []).append(socket)
        return socket

    @staticmethod
    def _assign(socket: Socket, request: Customer, *, reused: bool) -> None:
        # On a later tick, so that a program has its listeners in place
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
        """For one more connection. An idle one to another place makes room for it."""
        if len(self.sockets.get(key, ())) >= self.max_sockets:
            return False
        if self.total_socket_count < self.max_total_sockets:
            return True
        idle = next((one for free in self.free_sockets.values() for one in free), None)
        if idle is not None:
            idle.destroy()  # its place is free once it is closed
        return False

    def _serve_next(self, key: PoolKey, options: Mapping[str, object]) -> None:
        waiting = self.requests.get(key)
        if not waiting or not self._has_room(key):
            return
        request = self._next_waiting(key, waiting)
        self._assign(self._connected(key, options), request, reused=False)

    def _serve_others(self) -> None:
        """The place of a connection to one host may go to a request to another."""
        if self.max_total_sockets < inf:
            for key, waiting in list(self.requests.items()):
                if waiting:
                    self._serve_next(key, waiting[0].connection_options)

    def _next_waiting(self, key: PoolKey, waiting: deque[Customer]) -> Customer:
        request = waiting.popleft()
        _forget_if_empty(self.requests, key)
        return request

    def _wait(self, key: PoolKey, request: Customer) -> None:
        waiting = self.requests.setdefault(key, deque())
        if len(waiting) >= MAX_WAITING_REQUESTS:
            raise NodeError(
                f"{MAX_WAITING_REQUESTS} requests wait for a connection already", "EAGAIN"
            )
        waiting.append(request)

    # Connections at rest.

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
        """The place that an idle connection would take."""
        return bool(self.requests) and self.total_socket_count >= self.max_total_sockets

    def _take_parked(self, key: PoolKey) -> Socket | None:
        """The one parked last, unless `scheduling` is "fifo": the others may then time out."""
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


def _limit(given: dict[str, object], name: str, default: float, lowest: int = 0) -> float:
    value = given.pop(name, None)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= lowest:
        raise NodeError(
            f"{name} {value!r}; expected a number, {lowest} or more", "ERR_INVALID_ARG_VALUE"
        )
    return value


def _scheduling(value: object) -> str:
    if value in (None, "lifo", "fifo"):
        return str(value or "lifo")
    raise ArgumentValueError("options.scheduling", "'lifo' or 'fifo'", value)


def _frozen(value: object) -> Hashable:
    """Equal for what is the same to say; 1 and True are not."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(each) for each in value)
    if isinstance(value, str | bytes | int | float):
        return (type(value).__name__, value)
    return id(value)
