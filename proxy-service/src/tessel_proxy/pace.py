"""Who pauses whom between a device and its target, and why."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class Why(Enum):
    """A reason to pause one direction of a substream."""

    OPENING = auto()  # the target is on its way, and much has come for it
    FULL = auto()  # whoever is to take it has enough
    RATE = auto()  # the account has moved as much as it may for now


class Pauses:
    """One direction: it moves while there is no reason to pause it."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._reasons: set[Why] = set()
        self._over = False

    def __contains__(self, why: Why) -> bool:
        return why in self._reasons

    def add(self, why: Why) -> None:
        if self._over:
            return
        first = not self._reasons
        self._reasons.add(why)
        if first:
            self._pause()

    def remove(self, why: Why) -> None:
        if why in self._reasons:
            self._reasons.discard(why)
            if not self._reasons:
                self._resume()

    def end(self) -> None:
        """Let everything through that is held, whatever the reasons. It is not paused again."""
        self._over = True
        self._reasons.clear()
        self._resume()


@implementer(IPushProducer)
class Pace:
    """One side as the other knows it: to be paused and resumed, and no more.

    A transport that is lost stops its producer; here each side hears of the other's loss in its
    own way.
    """

    def __init__(self, pauses: Pauses, on_resume: Callable[[], None] = lambda: None) -> None:
        self._pauses = pauses
        self._on_resume = on_resume

    def pauseProducing(self) -> None:
        self._pauses.add(Why.FULL)

    def resumeProducing(self) -> None:
        self._on_resume()
        self._pauses.remove(Why.FULL)

    def stopProducing(self) -> None:
        """Nothing: see above."""
