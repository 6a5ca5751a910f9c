"""Who pauses whom between a device and its target, and why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Protocol as Interface

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class Why(Enum):
    """A reason to pause one direction of a substream."""

    OPENING = auto()  # the target is on its way, and much has come for it
    FULL = auto()  # whoever is to take it has enough
    RATE = auto()  # the account has moved as much as it may for now


_NO_REASON: frozenset[Why] = frozenset()
"""One for all: most directions have none, and an empty set takes 216 bytes."""


class Relay(Interface):
    """What moves bytes both ways."""

    def touch(self) -> None: ...
    def pause_device(self) -> None: ...
    def resume_device(self) -> None: ...
    def pause_target(self) -> None: ...
    def resume_target(self) -> None: ...


class _Nobody:
    """The relay of a substream that is over."""

    def touch(self) -> None:
        pass

    pause_device = resume_device = pause_target = resume_target = touch


_NOBODY = _Nobody()


@implementer(IPushProducer)
class Pauses(ABC):
    """One direction: it moves while there is no reason to pause it.

    To the side that takes what moves it is a producer, to be paused and resumed, and no more: a
    transport that is lost stops its producer, but here each side hears of the other's loss in its
    own way. There are two for each substream, idle ones too: a bound method kept takes 64 bytes.
    """

    __slots__ = ("_over", "_reasons", "_relay")

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._reasons = _NO_REASON
        self._over = False

    @abstractmethod
    def _pause(self) -> None:
        """Stop what moves."""

    @abstractmethod
    def _resume(self) -> None:
        """Let it move."""

    @abstractmethod
    def _taken(self) -> None:
        """Whoever takes it has taken something."""

    def __contains__(self, why: Why) -> bool:
        return why in self._reasons

    def add(self, why: Why) -> None:
        if self._over:
            return
        first = not self._reasons
        self._reasons |= {why}
        if first:
            self._pause()

    def remove(self, why: Why) -> None:
        if why in self._reasons:
            self._reasons = self._reasons - {why} or _NO_REASON
            if not self._reasons:
                self._resume()

    def pause_for_rate(self) -> None:
        """The account has moved as much as it may for now."""
        self.add(Why.RATE)

    def end_rate_pause(self) -> None:
        """The account may move more."""
        self.remove(Why.RATE)

    def end(self) -> None:
        """Let everything through that is held, whatever the reasons. It is not paused again."""
        self._over = True
        self._reasons = _NO_REASON
        self._resume()

    def let_go(self) -> None:
        """The relay is over. It is not kept: the two would wait for a collection."""
        self._relay = _NOBODY

    def pauseProducing(self) -> None:
        self.add(Why.FULL)

    def resumeProducing(self) -> None:
        self._taken()
        self.remove(Why.FULL)

    def stopProducing(self) -> None:  # noqa: B027 -- that is all it does
        """Nothing: see above."""


class FromDevice(Pauses):
    """What the device sends."""

    __slots__ = ()

    def _pause(self) -> None:
        self._relay.pause_device()

    def _resume(self) -> None:
        self._relay.resume_device()

    def _taken(self) -> None:
        self._relay.touch()


class FromTarget(Pauses):
    """What the target sends."""

    __slots__ = ()

    def _pause(self) -> None:
        self._relay.pause_target()

    def _resume(self) -> None:
        self._relay.resume_target()

    def _taken(self) -> None:
        """That the tunnel has room says nothing of this substream."""
