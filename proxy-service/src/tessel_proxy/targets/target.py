"""The connection to a target, plain or with TLS, as the relay uses it.

Without TLS, the TCP connection is itself the target (plain.py). With TLS, its layer lies between
(layered.py):

    reactor -> PlainTarget -> owner
    reactor -> TCP -> SecureTransport -> SecureTarget -> owner
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol as Interface
from typing import cast

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from streamplex.messages import BytesLike
from streamplex.spaced import SpacedData

LINGER_S = 300.0
"""Seconds for a closed target to accept the bytes that were sent to it before: at most some hundred
KiB, so that a target which needs longer accepts less than 1 KiB/s."""

LINGER_LOOK_S = 30.0
"""Seconds after which a closed target that accepted nothing is reset. TCP has then retransmitted
some seven times."""


class TargetLoss(Enum):
    """How the target or the network ended a connection that the owner did not close."""

    ENDED = auto()  # with close_notify of TLS, which ends the connection
    ENDED_WITHOUT_CLOSE_NOTIFY = auto()
    RESET = auto()
    TLS_BROKEN = auto()  # invalid TLS from the target, or a TLS alert


class TargetOwner(Interface):
    """Is notified of the events of a target.

    `target_received`: data came; a memoryview is valid only during the call. `target_ended`: the
    target sends no more data (half close). `target_lost`: the connection is closed.
    `target_is_full`: written bytes wait, because the target does not accept them; `target_has_room`
    follows when they have been sent.
    """

    def target_received(self, data: BytesLike | SpacedData) -> None: ...
    def target_ended(self) -> None: ...
    def target_lost(self, loss: TargetLoss) -> None: ...
    def target_is_full(self) -> None: ...
    def target_has_room(self) -> None: ...


class OpeningOwner(TargetOwner, Interface):
    """The caller that wants a connection and will own it.

    `target_looked_up` is called when the look-up has ended, also if it failed; `target_connected`
    when TCP is connected to `address`, a text; `target_secured` after the TLS handshake. The result
    is reported by `target_opened` or `target_not_opened`, whose failure is mostly a TargetError.
    """

    def target_looked_up(self) -> None: ...
    def target_connected(self, address: str) -> None: ...
    def target_secured(self) -> None: ...
    def target_opened(self, target: Target) -> None: ...
    def target_not_opened(self, failure: Failure) -> None: ...


class UnderWay(Interface):
    """An opening that is under way. A cancelled one reports nothing more to its owner."""

    def cancel(self) -> None: ...


class Target(ABC):
    """A connection to a target, opened for a device.

    Its owner writes to it, and is notified of its events. `is_open` is True until the connection is
    closed; a subclass sets the attributes below when the connection is established.
    """

    is_open: bool
    _owner: TargetOwner
    _clock: IReactorTime
    _sockets: set[Target]  # all open targets; this one is in it while it is open
    _linger: IDelayedCall | None = None
    _gone: Callable[[], None] | None = None

    # --- for the owner

    @abstractmethod
    def write_pieces(self, pieces: Sequence[BytesLike]) -> None:
        """Send `pieces` in this order, in one system call if possible.

        Bytes that the system does not accept yet are buffered, and the owner is notified.
        """

    @abstractmethod
    def half_close(self) -> None:
        """Send no more data. Bytes that were written before are sent first."""

    @abstractmethod
    def close(self) -> None:
        """Close after all written bytes are sent. The owner is not notified any more.

        The connection is reset after LINGER_S seconds, or if the target accepts nothing for
        LINGER_LOOK_S seconds.
        """

    @abstractmethod
    def abort(self) -> None:
        """Reset the connection; unsent bytes are lost. The owner is not notified any more."""

    @property
    @abstractmethod
    def unsent_bytes(self) -> int:
        """Bytes written to the target that the system has not accepted yet."""

    @abstractmethod
    def read_at_most(self, nbytes: int) -> None:
        """Set the largest number of bytes that one read from the target returns."""

    @abstractmethod
    def pause(self) -> None:
        """Stop reading from the target until `resume` is called."""

    @abstractmethod
    def resume(self) -> None:
        """Read from the target again, after `pause`."""

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call `call` when the connection, which is open now, is closed."""
        self._gone = call

    # --- while it lingers

    @abstractmethod
    def _close_again(self) -> None:
        """Close the connection, whose bytes are all sent, though its peer may wait for more."""

    def _linger_from_now(self) -> None:
        self._look_later(self._clock.seconds() + LINGER_S, self.unsent_bytes or None)

    def _look_later(self, until: float, unsent: int | None) -> None:
        left_s = max(0.0, until - self._clock.seconds())
        self._linger = self._clock.callLater(min(LINGER_LOOK_S, left_s), self._look, until, unsent)

    def _look(self, until: float, unsent_before: int | None) -> None:
        unsent = self.unsent_bytes
        stuck = unsent_before is not None and unsent >= unsent_before
        if stuck or self._clock.seconds() >= until:
            self.abort()
            return
        if not unsent:  # with TLS, only the target's close_notify may be missing: it had its time
            self._close_again()
        self._look_later(until, unsent)

    # --- its end

    @abstractmethod
    def _loss(self, reason: Failure) -> TargetLoss:
        """Return what `reason` means, for which the connection was closed."""

    def _over(self, reason: Failure) -> None:
        """Called when the connection is closed.

        Notifies the owner, unless the owner closed the connection. Then calls the function passed
        to `when_gone`.
        """
        self.is_open = False
        self._sockets.discard(self)
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        owner, self._owner = self._owner, NO_OWNER
        if owner is not NO_OWNER:
            owner.target_lost(self._loss(reason))
        gone, self._gone = self._gone, None  # which mostly refers to this target
        if gone is not None:
            gone()


class _NoOwner:
    """The owner of a connection that its real owner has closed."""

    def target_received(self, data: BytesLike | SpacedData) -> None:
        pass

    def target_ended(self) -> None:
        pass

    def target_lost(self, loss: TargetLoss) -> None:
        pass

    def target_is_full(self) -> None:
        pass

    target_has_room = target_is_full


NO_OWNER = _NoOwner()


class _NoTarget:
    """Takes the place of a target that is not connected yet, or not any more."""

    is_open = False

    def pause(self) -> None:
        pass

    resume = abort = pause

    def read_at_most(self, nbytes: int) -> None:
        pass


NO_TARGET = cast("Target", _NoTarget())  # nobody writes to it
