"""What is to be sent, and whoever writes it: asked to stop while there is a lot."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IProducer, IPullProducer, IPushProducer

WRITE_BUFFER = 65_536  # bytes held before the producer is asked to stop: Twisted's own


class Outgoing:
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
        self._buffer += data
        if len(self._buffer) > WRITE_BUFFER and self._streaming and not self._paused:
            self._paused = True
            cast("IPushProducer", self._producer).pauseProducing()

    def take(self, limit: int) -> bytes:
        """What is to be sent next."""
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    def sent(self) -> None:
        """If that was all, the producer may go on."""
        if self._buffer or self._producer is None:
            return
        if self._streaming and not self._paused:
            return
        self._paused = False
        cast("IPullProducer", self._producer).resumeProducing()

    def clear(self) -> None:
        self._buffer.clear()

    # The producer.

    def register(self, producer: IProducer, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError(f"{self._producer} writes already")
        self._producer, self._streaming, self._paused = producer, streaming, False
        if not streaming:
            cast("IPullProducer", producer).resumeProducing()

    def unregister(self) -> None:
        self._producer = None
        self._streaming = False

    def stop(self) -> None:
        """The connection is lost."""
        producer = self._producer
        self.unregister()
        if producer is not None:
            producer.stopProducing()
