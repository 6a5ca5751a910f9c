"""`net.Socket`: a TCP connection as a Duplex stream, direct or through the tunnel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Self, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.network.socket_link import SocketLink
from tessel.node._net.options import (
    SOCKET_OPTIONS,
    UNSUPPORTED_OF_NET,
    ConnectOptions,
    connect_arguments,
)
from tessel.node._net.socket_facts import SocketState
from tessel.node._net.socket_stream import SocketStream
from tessel.node._streams.base import Chunk, Done
from tessel.node.base import arguments
from tessel.node.base.arguments import Callback
from tessel.source_location import here

_AFTER_CONNECT = {SocketState.CONNECTING: SocketState.CONNECTED}


class Socket(SocketStream):
    """A TCP connection. The program does not see whether it goes directly or through the tunnel.

    Events: `lookup` (error, address, family, host), `connect`, `ready`, `data` (bytes), `drain`,
    `timeout`, `end`, `error` (NodeError) and `close` (had_error).
    """

    def __init__(
        self, options: Mapping[str, object] | None = None, *, allow_half_open: bool | None = None
    ) -> None:
        """Create a socket that is not connected.

        Args:
            options: `{"allow_half_open": bool}`, as in Node.
            allow_half_open: True: the writing half stays open after the peer has ended its own.

        """
        given = arguments.options_mapping(options)
        arguments.check_options(given, SOCKET_OPTIONS, type(self).__name__, UNSUPPORTED_OF_NET)
        if allow_half_open is None:
            allow_half_open = bool(given.get("allow_half_open", False))
        super().__init__(allow_half_open=allow_half_open)
        # Calls to repeat after `close`; None: the program did not reconnect a destroyed socket.
        self._after_close: list[Callable[[], object]] | None = None

    def _begin(self) -> None:
        super()._begin()
        self._attempt: Deferred[IProtocol] | None = None

    # Connecting.

    def connect(
        self,
        port: int | str | Mapping[str, object] | None = None,
        *rest: object,
        **options: object,
    ) -> Self:
        """Connect: `connect(port, host="127.0.0.1", callback)` or `connect(options, callback)`.

        The callback is a listener for `connect`. A destroyed socket connects again after its
        `close`.

        Raises:
            NodeError: an option is wrong, or the socket was connected before.

        """
        parsed, callback = self._arguments(port, rest, options)
        if callback is not None:
            self.once(self._connect_event(), callback)
        if not self.destroyed:
            return self._connect(parsed)
        if self.closed:
            self._undestroy()
            return self._connect(parsed)
        if self._after_close is None:
            self._after_close = [partial(self._connect, parsed)]
        return self

    def _arguments(
        self, first: object, rest: tuple[object, ...], named: Mapping[str, object]
    ) -> tuple[ConnectOptions, Callback | None]:
        return connect_arguments(first, rest, named)

    def _connect(self, options: ConnectOptions) -> Self:
        if self._state is not SocketState.IDLE:
            raise NodeError("This socket was connected before", "ERR_SOCKET_ALREADY_CONNECTED")
        self._state = SocketState.CONNECTING
        self.opened_at = here()
        self.remote_address, self.remote_port = options.target.host, options.target.port
        what = f"socket to {options.target}"
        self._take_handle(self._runtime.handles.open(what, self.opened_at))
        self._apply(options)
        self._runtime.ask(self._begin_attempt, options, self._link)
        return self

    def _begin_attempt(self, options: ConnectOptions, link: SocketLink) -> None:
        attempt = self._attempt = self._dial(options)
        attempt.addCallbacks(
            lambda _: self._attempt_succeeded(link),
            lambda failure: self._attempt_failed(link, failure),
        )
        attempt.addErrback(self._runtime.broken)

    def _apply(self, options: ConnectOptions) -> None:
        if options.timeout_ms:
            self.set_timeout(options.timeout_ms)
        if options.no_delay:
            self._no_delay = True
        if options.keep_alive:
            self.set_keep_alive(True)

    def _protocol(self) -> IProtocol:
        return cast("IProtocol", self._link)

    def _dial(self, options: ConnectOptions) -> Deferred[IProtocol]:
        return self._runtime.network.connect(
            options.target, self._protocol, proxy=options.proxy, watcher=self._link
        )

    def _attempt_succeeded(self, link: SocketLink) -> None:
        if self.destroyed or link is not self._link:
            link.discard()  # it was established before the attempt could be cancelled
            return
        self._attempt = None
        self._runtime.call(self._established)

    def _attempt_failed(self, link: SocketLink, failure: Failure) -> None:
        link.give_up()
        current = link is self._link  # else it was destroyed, and connects again
        if current:
            self._attempt = None
        if failure.check(CancelledError) and (self.destroyed or not current):
            return
        error = failure.value
        if not isinstance(error, NodeError):  # a bug below: do not report it as a network error
            self._runtime.broken(failure)
            return
        if not current:
            return
        self._state = SocketState.LOST
        self._runtime.call(self.destroy, error)

    def _established(self) -> None:
        self._state = _AFTER_CONNECT.get(self._state, self._state)
        self._idle.touch()
        for event in self._established_events():
            if not self.destroyed:
                self.emit(event)
        final, self._waiting_final = self._waiting_final, None
        if final is not None:
            final(None)

    def _connect_event(self) -> str:
        return "connect"

    def _established_events(self) -> tuple[str, ...]:
        return ("connect", "ready")

    # Closing.

    def reset_and_destroy(self) -> Self:
        """Abort the connection with a TCP reset (RST), and destroy the socket."""
        if self._link.usable:
            self._link.abort()
        return self.destroy()

    def destroy_soon(self) -> None:
        """End the writing half, and destroy the socket when all written bytes are sent."""
        if self.writable_finished:
            self.destroy()
        else:
            self.once("finish", self.destroy)
            self.end()

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        self._idle.disarm()
        self._waiting_write = self._waiting_final = self._write_done = None
        if self._attempt is not None:
            self._runtime.next_tick(self._attempt.cancel)  # never from within the attempt itself
            done(error)
        elif self._link.usable:
            self._close_done = lambda: done(error)
            self._runtime.ask(self._link.discard)
        else:
            done(error)

    def _dropped_error(self, call: str) -> NodeError:
        if self._state is not SocketState.CONNECTING:
            return super()._dropped_error(call)
        return NodeError(
            "Socket closed before the connection was established",
            "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
        )

    def _close_args(self) -> tuple[object, ...]:
        return (self.errored is not None,)

    def _emit_close(self) -> None:
        handle, self._handle = self._handle, None  # a listener may connect again
        try:
            super()._emit_close()
        finally:
            if handle is not None:
                handle.close()
        self._begin_anew()

    # Connecting again: writes and ends after such a `connect` wait for the old connection's close.

    def _undestroy(self) -> None:
        super()._undestroy()
        self._link.detach()
        self._begin()

    def _begin_anew(self) -> None:
        steps, self._after_close = self._after_close, None
        if steps is None:
            return
        if self.destroyed:  # else a listener of `close` connected first
            self._undestroy()
            for step in steps:
                step()

    def write(
        self,
        chunk: Chunk,
        encoding: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Write bytes, or text in an encoding; return False when the buffer is full.

        After False wait for `drain`. The callback is called when the chunk was passed on.
        """
        if self._after_close is not None:
            self._after_close.append(partial(super().write, chunk, encoding, callback))
            return True
        return super().write(chunk, encoding, callback)

    def end(
        self,
        chunk: Chunk | Callback | None = None,
        encoding: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Write a last chunk, if there is one, and close the writing half (FIN)."""
        if self._after_close is not None:
            self._after_close.append(partial(super().end, chunk, encoding, callback))
            return self
        return super().end(chunk, encoding, callback)
