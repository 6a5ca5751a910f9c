"""The two halves of a socket: the bytes that a program writes, and those that the link receives.

A program may write, end, pause or set options before the connection is established. The socket
keeps these requests and applies them when it has a transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.network.socket_link import SocketLink
from tessel.node._net.options import valid_timeout
from tessel.node._net.socket_facts import SocketFacts, SocketState
from tessel.node._streams.base import Done
from tessel.node.base import arguments, capability_warnings
from tessel.node.base.arguments import Callback
from tessel.source_location import here
from tessel_service_kit.idle_timer import IdleTimer


class SocketStream(SocketFacts):
    """The reads, writes and options of a socket. The subclass opens and closes the connection."""

    def __init__(self, *, allow_half_open: bool) -> None:
        super().__init__(allow_half_open=allow_half_open)
        self.timeout: float = 0
        self._idle = IdleTimer(self._runtime.clock, self._timed_out)
        self._no_delay: bool | None = None
        self._no_delay_at: str | None = None  # the program's line; None if `http` asked for it
        self._keep_alive: bool | None = None
        self._begin()

    def _begin(self) -> None:
        """Set the state of a socket that was never connected."""
        self.bytes_read = 0
        self.remote_address: str | None = None
        self.remote_port: int | None = None
        self._state = SocketState.IDLE
        self._link = SocketLink(self, self._runtime.clock, self._runtime.call)
        self._waiting_write: tuple[bytes, Done] | None = None
        self._waiting_final: Done | None = None
        self._write_done: Done | None = None
        self._close_done: Callable[[], None] | None = None
        self._read_paused = False  # the link was asked to stop reading

    # Options.

    def set_timeout(self, timeout_ms: float, callback: Callback | None = None) -> Self:
        """Emit `timeout` when no bytes were sent or received for `timeout_ms`.

        The socket stays open: a listener that wants to close it must do so.

        Args:
            timeout_ms: milliseconds. 0 switches the timeout off.
            callback: a listener for the next `timeout`; with 0, a listener to remove.
        """
        self.timeout = valid_timeout(timeout_ms)
        if arguments.callback_or_none(callback) is not None and callback is not None:
            (self.once if timeout_ms else self.off)("timeout", callback)
        self._watch_idle()
        return self

    def set_no_delay(self, enabled: bool = True) -> Self:
        """Send small writes at once and do not wait to join them (TCP_NODELAY)."""
        enabled = bool(enabled)
        self._no_delay = enabled
        self._no_delay_at = here() if enabled else None
        if self._link.usable:
            self._apply_no_delay(enabled)
        return self

    def set_keep_alive(self, enabled: bool = False, initial_delay_ms: float = 0) -> Self:
        """Let TCP probe the peer while the connection is idle (SO_KEEPALIVE).

        `initial_delay_ms` is checked and then ignored: the operating system has its own delay.
        """
        valid_timeout(initial_delay_ms)
        enabled = bool(enabled)
        self._keep_alive = enabled
        if self._link.usable:
            self._link.set_keep_alive(enabled)
        return self

    def _apply_no_delay(self, enabled: bool) -> None:
        self._link.set_no_delay(enabled)
        if self._no_delay_at is not None and self._link.weak:
            capability_warnings.warn(capability_warnings.NO_DELAY, self._no_delay_at)

    def _watch_idle(self) -> None:
        far = self._link.usable and self._link.watch_idle(self.timeout, self._timed_out)
        if far or self.destroyed or not self.timeout:
            self._idle.disarm()
        else:
            self._idle.arm(self.timeout / 1000)

    def _timed_out(self) -> None:
        if not self.destroyed:
            self._runtime.call(self.emit, "timeout")

    # The writing half. Writes wait until there is a transport.

    def _write(self, chunk: bytes, done: Done) -> None:
        if self._state is SocketState.LOST:
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
            # `finish` before the connection is established would make callers give up uploads.
            self._waiting_final = done
        else:
            done(None)

    # The reading half.

    def _read(self) -> None:
        if self._read_paused and self._link.usable:
            self._read_paused = False
            self._runtime.ask(self._link.resume)

    # Events of the link.

    def link_opened(self) -> None:
        """Called when the link has a transport: applies options and writes made before."""
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

    def link_looked_up(
        self, error: NodeError | None, address: str | None, family: int | None
    ) -> None:
        """Called when the radio has looked the host name up, or failed to: emits `lookup`."""
        if not self.destroyed:
            self.emit("lookup", error, address, family, self.remote_address)

    def link_connected(self) -> None:
        """Called when TCP is established: does nothing. A TLS socket overrides it."""

    def link_received(self, data: bytes) -> None:
        """Called with received bytes: pushes them, and pauses the link if the buffer is full."""
        self._idle.touch()
        self.bytes_read += len(data)
        if not self.push(data) and not self.destroyed and self._link.usable:
            self._read_paused = True
            self._link.pause()

    def link_drained(self) -> None:
        """Called when the transport accepts bytes again: completes the write that waited."""
        done, self._write_done = self._write_done, None
        if done is not None:
            self._idle.touch()
            done(None)

    def link_peer_ended(self) -> None:
        """Called when the peer sent its FIN: ends the reading half."""
        self._push_end_of_peer()

    def _push_end_of_peer(self) -> None:
        """Push the end; as in Node, with an empty buffer `end` and `close` come without a read."""
        self.push(None)
        self.read(0)

    def link_lost(self, reason: Failure) -> None:
        """Called when the connection is lost: ends the socket, or destroys it with the error."""
        self._state = SocketState.LOST
        self._idle.disarm()
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


def _loss(reason: Failure) -> NodeError:
    if isinstance(reason.value, NodeError):
        return reason.value
    return NodeError("read ECONNRESET", "ECONNRESET")
