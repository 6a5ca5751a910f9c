"""The send buffer of a stream, with the producer that writes to it."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IProducer, IPullProducer, IPushProducer

WRITE_BUFFER = 65_536
"""Bytes held before the producer is asked to pause: the same as in Twisted's own transports."""


class Outgoing:
    """A buffer of bytes to send, which pauses and resumes a producer by its size."""

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
        """Append bytes to the buffer. With more than WRITE_BUFFER bytes, the producer is paused."""
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
        """Called after bytes were sent: resume the producer if the buffer is empty."""
        if self._buffer or self._producer is None:
            return
        if self._streaming and not self._paused:
            return
        self._paused = False
        cast("IPullProducer", self._producer).resumeProducing()

    def clear(self) -> None:
        """Drop all bytes in the buffer."""
        self._buffer.clear()

    # The producer.

    def register(self, producer: IProducer, streaming: bool) -> None:
        """Register a push producer (`streaming`) or a pull producer.

        Raises RuntimeError if a producer is registered already.
        """
        if self._producer is not None:
            raise RuntimeError(f"a producer is registered already: {self._producer}")
        self._producer, self._streaming, self._paused = producer, streaming, False
        if not streaming:
            cast("IPullProducer", producer).resumeProducing()

    def unregister(self) -> None:
        """Remove the producer, if there is one, without stopping it."""
        self._producer = None
        self._streaming = False

    def stop(self) -> None:
        """Stop and remove the producer, because the connection is lost."""
        producer = self._producer
        self.unregister()
        if producer is not None:
            producer.stopProducing()
