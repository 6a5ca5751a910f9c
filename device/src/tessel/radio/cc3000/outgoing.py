"""What is to be sent, and whoever writes it: asked to stop while there is a lot."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IProducer, IPullProducer, IPushProducer

WRITE_BUFFER = 65_536  # octets held before the producer is asked to stop: Twisted's own


class Outgoing:
    def __init__(self) -> None:
        self._octets = bytearray()
        self._producer: IProducer | None = None
        self._streaming = False
        self._paused = False

    def __bool__(self) -> bool:
        return bool(self._octets)

    def __len__(self) -> int:
        return len(self._octets)

    # Octets.

    def add(self, octets: bytes) -> None:
        self._octets += octets
        if len(self._octets) > WRITE_BUFFER and self._streaming and not self._paused:
            self._paused = True
            cast("IPushProducer", self._producer).pauseProducing()

    def take(self, limit: int) -> bytes:
        """What is to be sent next."""
        octets = bytes(self._octets[:limit])
        del self._octets[:limit]
        return octets

    def sent(self) -> None:
        """If that was all, the producer may go on."""
        if self._octets or self._producer is None:
            return
        if self._streaming and not self._paused:
            return
        self._paused = False
        cast("IPullProducer", self._producer).resumeProducing()

    def clear(self) -> None:
        self._octets.clear()

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
