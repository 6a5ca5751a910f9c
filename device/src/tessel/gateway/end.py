"""Two connections joined: what comes from the one goes to the other, with its end or its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.gateway.limits import EARLY_BYTES, HALF_CLOSED_IDLE_S
from tessel.network.socket_link import SocketLink


class End:
    """One of two joined connections, with its link.

    Its link gives it received bytes, the peer's FIN and the loss, and it passes them on to the
    other end: bytes as bytes, a FIN as a FIN, and any other loss as a reset, so that cut data never
    looks complete. If the other connection is full, it stops reading.
    """

    def __init__(self, clock: IReactorTime, over: Callable[[], None] = lambda: None) -> None:
        """Create an end that is not joined. `over` is called when its connection is lost."""
        self.link = SocketLink(self, clock)
        self._clock = clock
        self._over = over
        self._other: End | None = None
        self._early: list[bytes] = []  # until the link has a transport
        self._early_nbytes = 0
        self._finished = False  # this side has ended: a FIN was sent, or will be
        self._idle: IDelayedCall | None = None
        self.has_ended = False  # the peer has sent its FIN
        self.is_lost = False
        self.loss: Failure | None = None  # why the connection was cut; None: it ended in order
        self.moved_bytes = 0  # received

    def protocol(self) -> IProtocol:
        """Return the protocol for the connection."""
        return cast("IProtocol", self.link)

    def join(self, other: End) -> None:
        """Join this end and another."""
        self._other, other._other = other, self

    # From the other end.

    def send(self, data: bytes) -> bool:
        """Send bytes to the peer; return False if no more should come until `go_on`."""
        if self.link.usable:
            self.link.write_now(data)
            return not self.link.congested
        if not self.is_lost:
            self._early.append(data)
            self._early_nbytes += len(data)
        return self._early_nbytes < EARLY_BYTES

    def finish(self) -> None:
        """Send a FIN after all bytes: the other end's peer has sent one."""
        was_finished, self._finished = self._finished, True
        if self.link.usable and not was_finished:
            self.link.end()

    def go_on(self) -> None:
        """Read again: the other connection has room."""
        if self.link.usable and not self.has_ended:
            self.link.resume()

    def close(self) -> None:
        """Close the connection after all bytes: both sides have ended."""
        if self.link.usable:
            self.link.close()

    def abort(self) -> None:
        """Reset the connection."""
        if self.link.usable:
            self.link.abort()

    # From the link.

    def link_opened(self) -> None:
        """Called when the link has a transport: sends what waits."""
        early, self._early, self._early_nbytes = b"".join(self._early), [], 0
        if early:
            self.link.write(early)
        if self._finished:
            self.link.end()
        if self._other is not None and not self.link.congested:
            self._other.go_on()

    def link_looked_up(
        self, error: NodeError | None, address: str | None, family: int | None
    ) -> None:
        """Called when the target's name was looked up: does nothing."""

    def link_connected(self) -> None:
        """Called when TCP is established: does nothing."""

    def link_received(self, data: bytes) -> None:
        """Called with bytes of the peer: passes them on."""
        self.moved_bytes += len(data)
        if self._other is not None and not self._other.send(data) and self.link.usable:
            self.link.pause()

    def link_drained(self) -> None:
        """Called when the link has room again: the other end may read."""
        if self._other is not None:
            self._other.go_on()

    def link_peer_ended(self) -> None:
        """Called at the peer's FIN: passes it on; closes both connections if both have ended."""
        self.has_ended = True
        if self._other is None:
            return
        self._other.finish()
        if self._other.has_ended:
            self.close()
            self._other.close()
        else:
            self._watch_idle()

    def link_lost(self, reason: Failure) -> None:
        """Called when the connection is lost: the other one is closed in order, or reset."""
        is_clean = reason.check(ConnectionDone) is not None and self._is_complete()
        self.is_lost = True
        self.loss = None if is_clean else reason
        self._stop_watch()
        if self._other is not None and not self._other.is_lost:
            self._pass_loss_on(self._other, is_clean=is_clean)
        self._over()

    def _is_complete(self) -> bool:
        """Return whether the peer has sent all: its FIN came, or it closed a link without any."""
        return self.has_ended or (self.link.weak and not self._finished)

    def _pass_loss_on(self, other: End, *, is_clean: bool) -> None:
        if not is_clean:
            other.abort()
            return
        other.finish()
        other.close()

    # A half-closed connection without traffic.

    def _watch_idle(self) -> None:
        if self._idle is None:
            moved = self._both_moved()
            self._idle = self._clock.callLater(HALF_CLOSED_IDLE_S, self._idle_over, moved)

    def _idle_over(self, moved: int) -> None:
        self._idle = None
        if self._both_moved() > moved:
            self._watch_idle()
            return
        self.abort()
        if self._other is not None:
            self._other.abort()

    def _both_moved(self) -> int:
        return self.moved_bytes + (self._other.moved_bytes if self._other is not None else 0)

    def _stop_watch(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def reason_text(reason: Failure) -> str:
    """Return the reason of a loss in words."""
    return str(reason.value) or type(reason.value).__name__
