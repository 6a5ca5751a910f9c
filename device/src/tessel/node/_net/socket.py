"""A socket in the Node manner, whichever way its connection goes.

A socket does not show whether its bytes go directly or through the tunnel: what is called before
that is known (writes, end, destroy, timeouts, pauses) is kept and applied once it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Self, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.node._net.idle_timer import IdleTimer
from tessel.node._net.options import (
    SOCKET_OPTIONS,
    UNSUPPORTED_OF_NET,
    ConnectOptions,
    connect_arguments,
    valid_timeout,
)
from tessel.node._net.socket_facts import SocketFacts, State
from tessel.node._net.socket_link import Link
from tessel.node._streams.base import Chunk, Done
from tessel.node.base import arguments, capability_warnings
from tessel.node.base.arguments import Callback
from tessel.source_location import here

_AFTER_CONNECT = {State.CONNECTING: State.CONNECTED}


class Socket(SocketFacts):
    """A connection. Events: lookup, connect, ready, data, drain, timeout, end, error, close."""

    def __init__(
        self, options: Mapping[str, object] | None = None, *, allow_half_open: bool | None = None
    ) -> None:
        given = arguments.options_mapping(options)
        arguments.check_options(given, SOCKET_OPTIONS, type(self).__name__, UNSUPPORTED_OF_NET)
        if allow_half_open is None:
            allow_half_open = bool(given.get("allow_half_open", False))
        super().__init__(allow_half_open=allow_half_open)
        self.timeout: float = 0
        self._idle = IdleTimer(self._runtime.clock, self._timed_out)
        self._begin()
        self._no_delay: bool | None = None
        self._no_delay_at: str | None = None  # the line that asked for it; http's own asks quietly
        self._keep_alive: bool | None = None
        self._after_close: list[Callable[[], object]] | None = None  # asked for anew meanwhile

    def _begin(self) -> None:
        """The state of a socket that never was connected."""
        self.bytes_read = 0
        self.remote_address: str | None = None
        self.remote_port: int | None = None
        self._state = State.IDLE
        self._link = Link(self, self._runtime)
        self._attempt: Deferred[IProtocol] | None = None
        self._waiting_write: tuple[bytes, Done] | None = None
        self._waiting_final: Done | None = None
        self._write_done: Done | None = None
        self._close_done: Callable[[], None] | None = None
        self._held_up = False  # the connection was asked to stop reading

    # Connecting.

    def connect(
        self,
        port: int | str | Mapping[str, object] | None = None,
        *rest: object,
        **options: object,
    ) -> Self:
        """`connect(port, host="127.0.0.1", callback)` or `connect(options, callback)`.

        A socket that was destroyed connects anew, after its `close`.
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
        if self._state is not State.IDLE:
            raise NodeError("This socket was connected before", "ERR_SOCKET_ALREADY_CONNECTED")
        self._state = State.CONNECTING
        self.opened_at = here()
        self.remote_address, self.remote_port = options.target.host, options.target.port
        what = f"socket to {options.target}"
        self._take_handle(self._runtime.handles.open(what, self.opened_at))
        self._apply(options)
        self._runtime.ask(self._begin_attempt, options, self._link)
        return self

    def _begin_attempt(self, options: ConnectOptions, link: Link) -> None:
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

    def _attempt_succeeded(self, link: Link) -> None:
        if self.destroyed or link is not self._link:
            link.discard()  # it came before the attempt could be cancelled
            return
        self._attempt = None
        self._runtime.call(self._established)

    def _attempt_failed(self, link: Link, failure: Failure) -> None:
        link.give_up()
        current = link is self._link  # else it was destroyed, and connects anew
        if current:
            self._attempt = None
        if failure.check(CancelledError) and (self.destroyed or not current):
            return
        error = failure.value
        if not isinstance(error, NodeError):  # a bug below: it must not look like the network's
            self._runtime.broken(failure)
            return
        if not current:
            return
        self._state = State.LOST
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

    # What a program asks of the socket itself.

    def set_timeout(self, timeout_ms: float, callback: Callback | None = None) -> Self:
        """`timeout` comes after so long without bytes either way, and closes nothing. 0: never."""
        self.timeout = valid_timeout(timeout_ms)
        if arguments.callback_or_none(callback) is not None and callback is not None:
            (self.once if timeout_ms else self.off)("timeout", callback)
        self._watch_idle()
        return self

    def set_no_delay(self, enabled: bool = True) -> Self:
        """Send small pieces at once (TCP_NODELAY)."""
        enabled = bool(enabled)
        self._no_delay = enabled
        self._no_delay_at = here() if enabled else None
        if self._link.usable:
            self._apply_no_delay(enabled)
        return self

    def set_keep_alive(self, enabled: bool = False, initial_delay_ms: float = 0) -> Self:
        """Have TCP ask an idle peer whether it is there. The delay is the system's own."""
        valid_timeout(initial_delay_ms)
        enabled = bool(enabled)
        self._keep_alive = enabled
        if self._link.usable:
            self._link.set_keep_alive(enabled)
        return self

    def reset_and_destroy(self) -> Self:
        """Cut the connection at once (RST)."""
        if self._link.usable:
            self._link.abort()
        return self.destroy()

    def destroy_soon(self) -> None:
        """Destroy when all that was written is sent."""
        if self.writable_finished:
            self.destroy()
        else:
            self.once("finish", self.destroy)
            self.end()

    # The writing half: what is asked for before there is a transport waits.

    def _write(self, chunk: bytes, done: Done) -> None:
        if self._state is State.LOST:
            done(NodeError("write EPIPE", "EPIPE"))
        elif not self._link.usable:
            self._waiting_write = chunk, done
        else:
            self._pass_on(chunk, done)

    def _pass_on(self, chunk: bytes, done: Done) -> None:
        self._idle.touch()
        self._runtime.ask(self._link.write, chunk)
        if self._link.congested:
            self._write_done = done
        else:
            done(None)

    def _final(self, done: Done) -> None:
        if self._link.usable:
            self._runtime.ask(self._link.end)
        if self.pending:
            self._waiting_final = done  # `finish` before it stands would have uploads given up
        else:
            done(None)

    # The reading half.

    def _read(self) -> None:
        if self._held_up and self._link.usable:
            self._held_up = False
            self._runtime.ask(self._link.resume)

    # What comes up from the link.

    def link_opened(self) -> None:
        if self.destroyed:
            return
        if self._no_delay is not None:
            self._apply_no_delay(self._no_delay)
        if self.allow_half_open and self._link.weak:
            capability_warnings.warn(capability_warnings.HALF_OPEN, self.opened_at)
        if self._keep_alive is not None:
            self._link.set_keep_alive(self._keep_alive)
        if self.timeout:
            self._watch_idle()
        waiting, self._waiting_write = self._waiting_write, None
        if waiting is not None:
            self._pass_on(*waiting)
        elif self._waiting_final is not None:
            self._link.end()

    def _apply_no_delay(self, enabled: bool) -> None:
        self._link.set_no_delay(enabled)
        if self._no_delay_at is not None and self._link.weak:
            capability_warnings.warn(capability_warnings.NO_DELAY, self._no_delay_at)

    def link_looked_up(
        self, error: NodeError | None, address: str | None, family: int | None
    ) -> None:
        if not self.destroyed:
            self.emit("lookup", error, address, family, self.remote_address)

    def link_connected(self) -> None:
        """TCP stands; a plain socket hears so by the attempt itself."""

    def link_received(self, data: bytes) -> None:
        self._idle.touch()
        self.bytes_read += len(data)
        if not self.push(data) and not self.destroyed and self._link.usable:
            self._held_up = True
            self._link.pause()

    def link_drained(self) -> None:
        done, self._write_done = self._write_done, None
        if done is not None:
            self._idle.touch()
            done(None)

    def link_peer_ended(self) -> None:
        self._push_end_of_peer()

    def _push_end_of_peer(self) -> None:
        """As Node: if nothing is held, `end` comes though nobody reads, and so does the close."""
        self.push(None)
        self.read(0)

    def link_lost(self, reason: Failure) -> None:
        self._state = State.LOST
        self._idle.stop()
        if self._close_done is not None:
            self._close_done()
        elif reason.check(ConnectionDone):
            self._lost_cleanly()
        else:
            self.destroy(_loss(reason))

    def _lost_cleanly(self) -> None:
        unsent, self._write_done = self._write_done, None
        if unsent is not None:
            unsent(NodeError("write EPIPE", "EPIPE"))
        self._push_end_of_peer()

    # The end.

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        self._idle.stop()
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
        if self._state is not State.CONNECTING:
            return super()._dropped_error(call)
        return NodeError(
            "Socket closed before the connection was established",
            "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
        )

    def _close_args(self) -> tuple[object, ...]:
        return (self.errored is not None,)

    def _emit_close(self) -> None:
        handle, self._handle = self._handle, None  # a listener may connect anew
        try:
            super()._emit_close()
        finally:
            if handle is not None:
                handle.close()
        self._begin_anew()

    # Anew.

    def _undestroy(self) -> None:
        super()._undestroy()
        self._link.detach()
        self._begin()

    def _begin_anew(self) -> None:
        steps, self._after_close = self._after_close, None
        if steps is None:
            return
        if self.destroyed:  # else a listener of `close` was faster
            self._undestroy()
            for step in steps:
                step()

    def write(
        self,
        chunk: Chunk,
        encoding: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> bool:
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
        if self._after_close is not None:
            self._after_close.append(partial(super().end, chunk, encoding, callback))
            return self
        return super().end(chunk, encoding, callback)

    def _watch_idle(self) -> None:
        far = self._link.usable and self._link.watch_idle(self.timeout, self._timed_out)
        self._idle.set(0 if far or self.destroyed else self.timeout)

    def _timed_out(self) -> None:
        if not self.destroyed:
            self._runtime.call(self.emit, "timeout")


def _loss(reason: Failure) -> NodeError:
    if isinstance(reason.value, NodeError):
        return reason.value
    return NodeError("read ECONNRESET", "ECONNRESET")
