"""The sending half of the pump: moves queued bytes from the core to the transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Protocol as Interface
from typing import cast

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol

from streamplex.credit import FIRST_WINDOW_BYTES, Windows
from streamplex.jsontext import Json
from streamplex.schedule import FAIR_TURN_BYTES
from streamplex.tunnel import TunnelCore
from streamplex.tx.bulk import READ_BYTES
from streamplex.tx.substream import Substream
from streamplex.tx.tls import TLSTransport

MAX_BATCH_BYTES = READ_BYTES
"""Most bytes of payload written to the transport at once: the size of one read of a target."""

MIN_BATCH_BYTES = FAIR_TURN_BYTES
"""The same while the transport is slow: nothing can overtake bytes that were written to it."""


class Transport(Interface):
    """The methods that every stream transport of Twisted has, TCP and TLS alike."""

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


class Phase(Enum):
    """The states of a tunnel's transport, from connecting to lost."""

    CONNECTING = 0, False
    OPEN = 1, True
    CLOSING = 2, True  # queued bytes are still sent
    CUT = 3, False  # nothing is sent or received any more
    LOST = 4, False

    def __init__(self, number: int, alive: bool) -> None:
        del number
        self.alive = alive
        """Whether bytes are sent and received. An attribute: it is read for each event."""
        self.is_closing = self.name == "CLOSING"


class Sending(Protocol, ABC):
    """The sending half of a tunnel's protocol, which also holds the tunnel's substreams.

    `Receiving` adds receiving, `TunnelProtocol` the life of the tunnel.
    """

    _wire: Transport  # the transport, with the methods that all of them have

    def __init__(self, core: TunnelCore) -> None:
        self.core = core
        self._phase = Phase.CONNECTING
        self._paused = False  # by the transport: it has enough to send
        self.is_flushing = False
        self._batch_bytes = MAX_BATCH_BYTES
        self._substreams: dict[int, Substream] = {}

    @property
    @abstractmethod
    def is_deaf(self) -> bool:
        """Whether the tunnel has stopped reading."""

    @abstractmethod
    def _peer_took(self) -> None:
        """The peer takes what is sent: it is alive."""

    @property
    def substreams(self) -> Mapping[int, Substream]:
        """Substreams that have not been released, by channel number."""
        return self._substreams

    @property
    def substreams_in_use(self) -> int:
        """The number of substreams, including released ones that still have queued data."""
        return len(self._substreams) + len(self.core.leaving)

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that this tunnel holds, for the peer and for paused consumers."""
        core, held = self.core, self._substreams.values()
        waiting = map(core.waiting_bytes, (*self._substreams, *core.leaving))
        return sum(waiting) + sum(substream.held_bytes for substream in held)

    def message(self, value: Json) -> None:
        """Send an application message on the control channel.

        Does nothing if the tunnel is closed.
        """
        if self._phase not in (Phase.CUT, Phase.LOST):
            self.core.message(value)
            self.flush()

    def goaway(self, after_ms: int) -> None:
        """Ask the device to open no more substreams on this tunnel.

        The device should connect again after `after_ms` milliseconds. Does nothing if the tunnel is
        closed. Raises LocalError without `goaway/1` or on the device's side.
        """
        if self._phase not in (Phase.CUT, Phase.LOST):
            self.core.goaway(after_ms)
            self.flush()

    @property
    def has_more_to_send(self) -> bool:
        """Whether queued bytes wait for the transport, or for credit."""
        return self.core.has_waiting

    def enable(
        self,
        features: Iterable[str],
        windows: Windows | None = None,
        peers_first: int = FIRST_WINDOW_BYTES,
    ) -> None:
        """Turn on the features that both ends have named; see `TunnelCore.enable`."""
        self.core.enable(features, windows, peers_first)

    def release(self, channel: int) -> None:
        """Free the number of a substream, and remove it from `substreams`."""
        self.core.release(channel)
        self._substreams.pop(channel, None)

    def together(self, call: Callable[[], None]) -> None:
        """Make the call, and then send everything that it queued in one piece."""
        outermost = not self.is_flushing
        self.is_flushing = True
        try:
            call()
        finally:
            if outermost:
                self.is_flushing = False
        self.flush()

    def flush(self) -> None:
        """Write queued bytes to the transport while it has room."""
        if self.is_flushing:
            return  # a flush further up the stack continues until nothing is left
        self.is_flushing = True
        try:
            while not self._paused and self._phase.alive and self.core.scheduler.has_more:
                batch = self.core.take(self._batch_bytes)
                if not batch.pieces:
                    break
                self._wire.write(b"".join(batch.pieces))
                if not self._paused:
                    self._batch_bytes = min(2 * self._batch_bytes, MAX_BATCH_BYTES)
                for channel in batch.served:
                    substream = self._substreams.get(channel)
                    if substream is not None and substream.awaits_room:
                        substream.served()
        finally:
            self.is_flushing = False
        if self._phase.is_closing and not self.core.has_waiting:
            self._close()

    def takes_now(self, nbytes: int) -> bool:
        """Return whether `nbytes` may go to the transport now, past the queue: nothing waits."""
        return (
            nbytes <= self._batch_bytes
            and not self._paused
            and not self.is_flushing
            and not self.core.scheduler.has_more
            and self._phase.alive
            and isinstance(self._wire, TLSTransport)
        )

    def write_frames(self, frames: memoryview) -> None:
        """Write a view of whole frames to the transport. Called only if `takes_now` is True."""
        cast("TLSTransport", self._wire).write_view(frames)

    def _close(self) -> None:
        self._phase = Phase.CUT
        if self.is_deaf:
            self._wire.resumeProducing()  # to receive the peer's close_notify, with TLS
        self._wire.unregisterProducer()  # a transport waits for its producer before it closes
        self._wire.loseConnection()

    # --- as the transport's producer --------------------------------------------------

    def pauseProducing(self) -> None:
        """Called when the transport has no room: stops writing, and makes later batches smaller."""
        self._paused = True
        self._batch_bytes = max(self._batch_bytes // 2, MIN_BATCH_BYTES)

    def resumeProducing(self) -> None:
        """Called when the transport has room again: continues writing."""
        self._paused = False
        self._peer_took()
        self.flush()

    def stopProducing(self) -> None:
        """Called when the transport is closing: stops writing. connectionLost follows."""
        self._paused = True
