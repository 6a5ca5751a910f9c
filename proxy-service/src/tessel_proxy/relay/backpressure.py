"""Backpressure: the reasons that pause one direction of a substream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Protocol as Interface

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class Why(Enum):
    """A reason to pause one direction of a substream."""

    OPENING = auto()  # the target is being opened, and much data waits for it
    FULL = auto()  # the receiver has enough data
    RATE = auto()  # the account is ahead of its rate


_NO_REASON: frozenset[Why] = frozenset()
"""Shared: most directions have no reason, and an empty set takes 216 bytes."""


class Relay(Interface):
    """An interface of a substream's relay, which its two directions call.

    `pause_…` and `resume_…` stop and continue reading from one side; `touch` restarts the timeouts.
    """

    def touch(self) -> None: ...
    def pause_device(self) -> None: ...
    def resume_device(self) -> None: ...
    def pause_target(self) -> None: ...
    def resume_target(self) -> None: ...


class _Nobody:
    """Replaces the relay of a closed substream, and does nothing."""

    def touch(self) -> None:
        pass

    pause_device = resume_device = pause_target = resume_target = touch


_NOBODY = _Nobody()


@implementer(IPushProducer)
class Pauses(ABC):
    """One direction of a substream, which is paused while there is at least one reason.

    The receiver's transport uses it as a push producer. `stopProducing` does nothing: each side is
    notified of the other's loss in another way. There are two objects for each substream, so they
    store no bound methods, which take 64 bytes each.
    """

    __slots__ = ("_over", "_reasons", "_relay")

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._reasons = _NO_REASON
        self._over = False

    @abstractmethod
    def _pause(self) -> None:
        """Stop reading from the sender."""

    @abstractmethod
    def _resume(self) -> None:
        """Read from the sender again."""

    @abstractmethod
    def _taken(self) -> None:
        """Note that the receiver has taken data."""

    def __contains__(self, why: Why) -> bool:
        return why in self._reasons

    def add(self, why: Why) -> None:
        """Add a reason to pause; the first one pauses reading. After `end` do nothing."""
        if self._over:
            return
        first = not self._reasons
        self._reasons |= {why}
        if first:
            self._pause()

    def remove(self, why: Why) -> None:
        """Remove a reason to pause; removing the last one resumes reading."""
        if why in self._reasons:
            self._reasons = self._reasons - {why} or _NO_REASON
            if not self._reasons:
                self._resume()

    def pause_for_rate(self) -> None:
        """Called when the account has moved as many bytes as its rate allows: pauses reading."""
        self.add(Why.RATE)

    def end_rate_pause(self) -> None:
        """Called when the account's rate allows more bytes: ends the pause of `pause_for_rate`."""
        self.remove(Why.RATE)

    def end(self) -> None:
        """Drop all reasons, resume reading, and never pause again."""
        self._over = True
        self._reasons = _NO_REASON
        self._resume()

    def let_go(self) -> None:
        """Drop the reference to the closed relay, so that no reference cycle keeps it in memory."""
        self._relay = _NOBODY

    def pauseProducing(self) -> None:
        """Called when the receiver has enough data: pauses reading from the sender."""
        self.add(Why.FULL)

    def resumeProducing(self) -> None:
        """Called when the receiver has room again: removes the reason FULL."""
        self._taken()
        self.remove(Why.FULL)

    def stopProducing(self) -> None:  # noqa: B027 -- not abstract
        """Called when the receiver is lost: does nothing, as the class explains."""


class FromDevice(Pauses):
    """The direction from the device to the target."""

    __slots__ = ()

    def _pause(self) -> None:
        self._relay.pause_device()

    def _resume(self) -> None:
        self._relay.resume_device()

    def _taken(self) -> None:
        self._relay.touch()


class FromTarget(Pauses):
    """The direction from the target to the device."""

    __slots__ = ()

    def _pause(self) -> None:
        self._relay.pause_target()

    def _resume(self) -> None:
        self._relay.resume_target()

    def _taken(self) -> None:
        """Do nothing: room in the tunnel is no activity of this substream."""
