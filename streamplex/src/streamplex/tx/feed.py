"""Back-pressure for the producer that writes to a substream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface
from typing import cast

from twisted.internet.interfaces import IProducer, IPullProducer, IPushProducer

from streamplex.tx.flow import MAX_WAITING_BYTES, RESUME_WAITING_BYTES


class SendQueue(Interface):
    """The outgoing queue of a substream, to which the producer writes."""

    @property
    def waiting_bytes(self) -> int:
        """Number of queued bytes that are not sent yet."""

    def later(self, call: Callable[[], None]) -> None:
        """Make the call in a later turn of the reactor."""


class Feed:
    """Pauses and resumes the producer of a substream by the number of bytes that wait to be sent.

    `streaming` is True for a push producer. A pull producer is called for each piece of data.
    `wants_room` is True while `sent` would do anything.
    """

    __slots__ = ("_producer", "_pull_due", "_queue", "_streaming", "wants_room")

    def __init__(self, queue: SendQueue, producer: IProducer, streaming: bool) -> None:
        self._queue = queue
        self._producer: IProducer | None = producer
        self._streaming = streaming
        self.wants_room = not streaming  # a push producer: while it is paused
        self._pull_due = False
        if not streaming:
            self._pull_later()

    def forget(self) -> None:
        """Stop pacing the producer without stopping it.

        Called when the producer has unregistered.
        """
        self._producer = None

    def stop(self) -> None:
        """Stop the producer, because nothing can be sent any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def written(self, waiting_bytes: int) -> None:
        """Pause a push producer if more than MAX_WAITING_BYTES wait.

        Called after bytes were queued, with the number of bytes that wait.
        """
        if self._producer is None or self.wants_room:
            return
        if waiting_bytes > MAX_WAITING_BYTES:
            self.wants_room = True
            cast("IPushProducer", self._producer).pauseProducing()

    def sent(self) -> None:
        """Resume a paused producer if at most RESUME_WAITING_BYTES wait.

        A pull producer is called in a later turn of the reactor, if nothing waits then. Called
        after queued bytes were sent.
        """
        if self._producer is None:
            return
        if not self._streaming:
            self._pull_later()
        elif self.wants_room and self._queue.waiting_bytes <= RESUME_WAITING_BYTES:
            self.wants_room = False
            cast("IPushProducer", self._producer).resumeProducing()

    def _pull_later(self) -> None:
        # At most one pull is due: a write that is sent in several batches counts once.
        if not self._pull_due:
            self._pull_due = True
            self._queue.later(self._pull)

    def _pull(self) -> None:
        self._pull_due = False
        if self._producer is not None and not self._streaming and not self._queue.waiting_bytes:
            cast("IPullProducer", self._producer).resumeProducing()
