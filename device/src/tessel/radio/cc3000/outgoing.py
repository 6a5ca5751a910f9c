"""Bytes that a stream has to send, and the producer that writes them."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IProducer, IPullProducer, IPushProducer

WRITE_BUFFER = 65_536
"""Bytes held before the producer is asked to pause: the same as in Twisted's own transports."""


class Outgoing:
    """A buffer of bytes to send. It pauses and resumes a producer as its size requires."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._producer: IProducer | None = None
        self._streaming = False
        self._paused = False

    def __bool__(self) -> bool:
        return bool(self._buffer)

    def __len__(self) -> int:
        return len(self._buffer)

    # Bytes.

    def add(self, data: bytes) -> None:
        """Append to the buffer; pause the producer if there is a lot in it."""
        self._buffer += data
        if len(self._buffer) > WRITE_BUFFER and self._streaming and not self._paused:
            self._paused = True
            cast("IPushProducer", self._producer).pauseProducing()

    def take(self, limit: int) -> bytes:
        """Remove and return the next bytes to send, at most `limit`."""
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    def sent(self) -> None:
        """Resume the producer if everything has been sent."""
        if self._buffer or self._producer is None:
            return
        if self._streaming and not self._paused:
            return
        self._paused = False
        cast("IPullProducer", self._producer).resumeProducing()

    def clear(self) -> None:
        """Drop all bytes."""
        self._buffer.clear()

    # The producer.

    def register(self, producer: IProducer, streaming: bool) -> None:
        """Register a push producer (`streaming`) or a pull producer. Raises RuntimeError if there
        is one already.
        """
        if self._producer is not None:
            raise RuntimeError(f"a producer is registered already: {self._producer}")
        self._producer, self._streaming, self._paused = producer, streaming, False
        if not streaming:
            cast("IPullProducer", producer).resumeProducing()

    def unregister(self) -> None:
        """Forget the producer."""
        self._producer = None
        self._streaming = False

    def stop(self) -> None:
        """Stop the producer: the connection is lost."""
        producer = self._producer
        self.unregister()
        if producer is not None:
            producer.stopProducing()
