"""Who pauses whom between a device and its target."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Pace:
    """One side as the other knows it: to be paused and resumed, and no more.

    A transport that is lost stops its producer; here each side hears of the other's loss in its
    own way.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume

    def pauseProducing(self) -> None:
        self._pause()

    def resumeProducing(self) -> None:
        self._resume()

    def stopProducing(self) -> None:
        """Nothing: see above."""
