"""The producer that feeds a substream, and when it has to pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface
from typing import cast

from twisted.internet.interfaces import IProducer, IPullProducer, IPushProducer

from streamplex.tx.flow import MAX_WAITING_BYTES, RESUME_WAITING_BYTES


class Lane(Interface):
    """What the producer's bytes go to."""

    def waiting_bytes(self) -> int:
        """Bytes that wait to be sent."""

    def later(self, call: Callable[[], None]) -> None:
        """Call in a turn of its own."""


class Feed:
    """Paces one producer by the bytes that wait to be sent: a push producer if it streams, else
    one that is asked.
    """

    __slots__ = ("_lane", "_paused", "_producer", "_pull_due", "_streaming")

    def __init__(self, lane: Lane, producer: IProducer, streaming: bool) -> None:
        self._lane = lane
        self._producer: IProducer | None = producer
        self._streaming = streaming
        self._paused = False
        self._pull_due = False

    def begin(self) -> None:
        """Something may wait already."""
        if self._streaming:
            self.written()
        else:
            self._pull_later()

    def forget(self) -> None:
        """The producer is done."""
        self._producer = None

    def stop(self) -> None:
        """Nothing can be sent any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def written(self) -> None:
        """More waits than before."""
        if self._producer is None or not self._streaming or self._paused:
            return
        if self._lane.waiting_bytes() > MAX_WAITING_BYTES:
            self._paused = True
            cast("IPushProducer", self._producer).pauseProducing()

    def sent(self) -> None:
        """Less waits than before."""
        if self._producer is None:
            return
        if not self._streaming:
            self._pull_later()
        elif self._paused and self._lane.waiting_bytes() <= RESUME_WAITING_BYTES:
            self._paused = False
            cast("IPushProducer", self._producer).resumeProducing()

    def _pull_later(self) -> None:
        # Only one is due at a time: a write that leaves in several batches is one answer.
        if not self._pull_due:
            self._pull_due = True
            self._lane.later(self._pull)

    def _pull(self) -> None:
        self._pull_due = False
        if self._producer is not None and not self._streaming and not self._lane.waiting_bytes():
            cast("IPullProducer", self._producer).resumeProducing()
