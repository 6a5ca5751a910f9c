"""`net.Server`: listens on a port of the radio, and makes a socket for each connection."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from functools import partial
from typing import Self, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.python.failure import Failure

from tessel.addresses import family_name
from tessel.errors import NodeError
from tessel.network.interface import BACKLOG, IHostIgnored, IListening
from tessel.node._net.options import UNSUPPORTED, valid_port
from tessel.node._net.socket import Socket
from tessel.node._net.socket_facts import SocketState
from tessel.node.base import arguments, capability_warnings, runtime
from tessel.node.base.arguments import Callback
from tessel.node.base.handles import Holder
from tessel.node.events import EventEmitter
from tessel.radio.interface import ILosablePort, RadioError
from tessel.source_location import here

HIGHEST_BACKLOG = 2**31 - 1
SERVER_OPTIONS = frozenset(
    {"allow_half_open", "pause_on_connect", "no_delay", "keep_alive", "keep_alive_initial_delay"}
)
LISTEN_OPTIONS = frozenset({"port", "host", "backlog", "path", "exclusive"})


class _Phase(Enum):
    IDLE = auto()
    STARTING = auto()
    LISTENING = auto()
    CLOSING = auto()  # accepts nothing more; connections are still open


class Server(Holder, EventEmitter):
    """A TCP server. `net.create_server` returns it.

    Events: `listening`, `connection` (Socket), `drop` (addresses of a connection above
    `max_connections`), `error`, `close`.
    """

    def __init__(
        self,
        options: Mapping[str, object] | Callback | None = None,
        listener: Callback | None = None,
        **named: object,
    ) -> None:
        """Create `Server(listener)` or `Server(options, listener)`; see `net.create_server`."""
        super().__init__()
        if callable(options):
            options, listener = None, options
        listener = arguments.callback_or_none(listener, "listener")
        given = {**arguments.options_mapping(options), **named}
        arguments.check_options(given, SERVER_OPTIONS, "net.create_server", UNSUPPORTED)
        self.allow_half_open = bool(given.get("allow_half_open", False))
        self.pause_on_connect = bool(given.get("pause_on_connect", False))
        self.no_delay = bool(given.get("no_delay", False))
        self.keep_alive = bool(given.get("keep_alive", False))
        self.max_connections: int | None = None  # above it connections are dropped; None: no limit
        self._runtime = runtime.current()
        self._phase = _Phase.IDLE
        self._starting: Deferred[None] | None = None
        self._port: IListening | None = None
        self._sockets: set[Socket] = set()
        if listener is not None:
            self.on("connection", listener)

    def listen(
        self,
        port: int | str | Mapping[str, object] = 0,
        *rest: object,
        host: str | None = None,
        backlog: int | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Open the port: `listen(port=0, host, backlog, callback)` or `listen(options, callback)`.

        Args:
            port: 0: any free port; `address` returns it.
            rest: host, backlog and callback.
            host: the address to listen on. The CC3000 ignores it and listens on all.
            backlog: connections that may wait to be accepted.
            callback: a listener for `listening`.

        Raises:
            NodeError: an argument is wrong, or the server listens already.

        """
        options, found = _listen_options((port, *rest), host, backlog)
        callback = found if callback is None else arguments.callback_or_none(callback)
        if self._phase is not _Phase.IDLE:
            raise NodeError(
                "Listen method has been called more than once without closing.",
                "ERR_SERVER_ALREADY_LISTEN",
            )
        if callback is not None:
            self.once("listening", callback)
        self._start(*options)
        return self

    def close(self, callback: Callback | None = None) -> Self:
        """Accept no more connections; emit `close` when all open connections have ended.

        `callback` is a listener for `close`. If the server does not listen, it is called with an
        error.
        """
        callback = arguments.callback_or_none(callback)
        if self._phase not in (_Phase.STARTING, _Phase.LISTENING):
            if callback is not None:
                error = NodeError("Server is not running.", "ERR_SERVER_NOT_RUNNING")
                self._runtime.next_tick(callback, error)
            return self
        if callback is not None:
            self.once("close", callback)
        self._phase = _Phase.CLOSING
        port, self._port = self._port, None
        if port is not None:
            self._stop(port)
        elif self._starting is not None:
            self._starting.cancel()
        return self

    def address(self) -> dict[str, object] | None:
        """Return `{address, port, family}` of the open port; None if the server does not listen."""
        if self._port is None:
            return None
        host, port = _parts(self._port.getHost())
        return {"address": host, "port": port, "family": family_name(host)}

    @property
    def listening(self) -> bool:
        """True while the server accepts connections."""
        return self._phase is _Phase.LISTENING

    def get_connections(self, callback: Callback) -> Self:
        """Call `callback(None, number)` on a later tick with the number of open connections."""
        self._runtime.next_tick(arguments.callback(callback), None, len(self._sockets))
        return self

    # Listening.

    def _start(self, port: int, host: str, backlog: int) -> None:
        self._phase = _Phase.STARTING
        self.opened_at = here()
        self._take_handle(self._runtime.handles.open(f"server on port {port}", self.opened_at))
        starting = self._runtime.ask(
            self._runtime.network.listen, port, self._accept, host=host, backlog=backlog
        )
        self._starting = starting.addCallbacks(self._started, self._not_started)
        starting.addErrback(self._runtime.broken)

    def _started(self, port: IListening) -> None:
        if self._phase is _Phase.CLOSING:
            self._stop(port)  # the port was opened before the attempt could be cancelled
            return
        if IHostIgnored.providedBy(port):
            capability_warnings.warn(capability_warnings.HOST, self.opened_at)
        if ILosablePort.providedBy(port):
            cast("ILosablePort", port).watch_loss(partial(self._runtime.call, self._port_lost))
        self._port = port
        self._phase = _Phase.LISTENING
        self._name_handle(f"server on port {_parts(port.getHost())[1]}")
        self._runtime.next_tick(self._emit_listening)  # `listen` has not returned yet

    def _emit_listening(self) -> None:
        if self._phase is _Phase.LISTENING:
            self.emit("listening")

    def _not_started(self, failure: Failure) -> None:
        if self._phase is _Phase.CLOSING:
            self._close_if_over()  # cancelled by `close`
            return
        if not failure.check(NodeError):
            self._runtime.broken(failure)
            return
        self._phase = _Phase.IDLE
        self._runtime.next_tick(self.emit, "error", failure.value)
        self._let_go()

    def _port_lost(self, fault: RadioError) -> None:
        """Close with an error: the radio was off, and could not open the port again."""
        if self._phase is _Phase.LISTENING:
            self._phase = _Phase.CLOSING
            self._port = None
            error = NodeError(f"listen {fault.code}: the port was lost: {fault}", fault.code)
            self._runtime.next_tick(self.emit, "error", error)
            self._close_if_over()

    def _stop(self, port: IListening) -> None:
        stopping = self._runtime.ask(port.stop)
        stopping.addErrback(self._runtime.broken).addBoth(lambda _: self._close_if_over())

    def _close_if_over(self) -> None:
        if self._phase is _Phase.CLOSING and not self._sockets:
            self._phase = _Phase.IDLE
            self._runtime.next_tick(self.emit, "close")
            self._let_go()

    # Accepting.

    def _accept(self) -> IProtocol:
        return _Accepted(self).protocol()

    def accepted(self, socket: _Accepted) -> None:
        """Called for an established connection: emits `connection`, or `drop` above the limit."""
        if self.max_connections is not None and len(self._sockets) >= self.max_connections:
            dropped = socket.addresses()
            socket.destroy()
            self.emit("drop", dropped)
            return
        self._sockets.add(socket)
        socket.once("close", lambda *_: self._ended(socket))
        self.emit("connection", socket)

    def _ended(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._close_if_over()


class _Accepted(Socket):
    """A socket that a server has accepted."""

    def __init__(self, server: Server) -> None:
        super().__init__(allow_half_open=server.allow_half_open)
        self._server = self.server = server
        self._state = SocketState.CONNECTED

    def protocol(self) -> IProtocol:
        return self._protocol()

    def link_opened(self) -> None:
        self.remote_address, self.remote_port = _parts(self._link.peer_address())
        self._take_handle(self._runtime.handles.open(f"socket from {self.remote_address}"))
        self._no_delay = self._server.no_delay or None
        self._keep_alive = self._server.keep_alive or None
        if self._server.pause_on_connect:
            self.pause()
        super().link_opened()
        self._server.accepted(self)

    def addresses(self) -> dict[str, object]:
        """Return the addresses of both ends, for `drop`."""
        return {
            "local_address": self.local_address,
            "local_port": self.local_port,
            "local_family": self.local_family,
            "remote_address": self.remote_address,
            "remote_port": self.remote_port,
            "remote_family": self.remote_family,
        }


def _listen_options(
    given: tuple[object, ...], host: object, backlog: object
) -> tuple[tuple[int, str, int], Callback | None]:
    """Sort the arguments of `listen`: port, host, backlog; and the callback."""
    places, callback = arguments.split_callback(given, 3, "listen")
    options: dict[str, object] = {"port": 0}
    for number, place in enumerate(places):
        if isinstance(place, Mapping):
            options.update(place)
        elif number == 0 and place is not None:
            options["port"] = place
        elif place is not None:
            options["host" if isinstance(place, str) else "backlog"] = place
    options.update({} if host is None else {"host": host})
    options.update({} if backlog is None else {"backlog": backlog})
    arguments.check_options(options, LISTEN_OPTIONS, "listen", UNSUPPORTED)
    if options.get("path") is not None:
        raise NodeError("A device has no UNIX sockets: `port` is expected", "ERR_INVALID_ARG_VALUE")
    port = valid_port(options["port"] or 0)
    where = arguments.text_or_none(options.get("host"), "options.host") or ""
    waiting = options.get("backlog", BACKLOG)
    number = arguments.whole_number(waiting, "options.backlog", 0, HIGHEST_BACKLOG)
    return (port, where, number or BACKLOG), callback


def _parts(address: IAddress) -> tuple[str | None, int | None]:
    return getattr(address, "host", None), getattr(address, "port", None)
