"""The receiving half of a substream: delivers data and events to the substream's protocol."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import assert_never, cast

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from streamplex.errors import LocalError, SubstreamError
from streamplex.events import (
    CustomReceived,
    DataReceived,
    StreamEnded,
    StreamFailed,
    StreamReset,
)
from streamplex.messages import BytesLike
from streamplex.tx.flow import MAX_HELD_EVENTS_BYTES
from streamplex.tx.intake import Delivery, Intake
from streamplex.tx.interfaces import ISubstreamProtocol, ITakesSequences, ITakesViews
from streamplex.tx.outgoing import Outgoing
from streamplex.tx.substream_states import READING, Reading, ReadingInput

_GONE = Protocol()
"""Takes the place of a protocol after its connectionLost: otherwise protocol and substream would
refer to each other, and stay in memory until the garbage collector runs."""


class Incoming(Outgoing):
    """The receiving half of a substream: delivers data and events to the substream's protocol.

    `Substream` adds closing.
    """

    __slots__ = (
        "_intake",
        "_is_aware",
        "_lost",
        "_peer_ended",
        "_reading",
        "_takes_views",
        "protocol",
        "takes_sequences",
    )

    protocol: IProtocol | None
    takes_sequences: bool
    _takes_views: bool  # of the protocol, as the next
    _is_aware: bool  # it provides ISubstreamProtocol
    _reading: Reading
    _intake: Intake
    _peer_ended: bool  # its end has come here; the core may have read further
    _lost: Failure | None  # the reason given to connectionLost

    @property
    @abstractmethod
    def disconnecting(self) -> bool:
        """Whether this side has closed or aborted the substream."""

    @abstractmethod
    def _end_for(self, why: str) -> None:
        """End the substream on both sides, with an error."""

    @abstractmethod
    def _lose(self, reason: Failure) -> None:
        """Call the protocol's connectionLost."""

    @abstractmethod
    def _release_if_over(self) -> None:
        """Release the substream if both directions are over."""

    # --- the protocol over it ---------------------------------------------------------

    def attach(self, protocol: IProtocol) -> None:
        """Connect a protocol to the substream, and deliver everything received so far to it.

        This works at any time: if the substream is over already, the protocol receives the held
        data and then its connectionLost. Raises LocalError if the substream has a protocol already.
        """
        if self.protocol is not None:
            raise LocalError(f"substream {self.channel} has a protocol already")
        self.protocol = protocol
        # Looked up once: zope.interface takes as long for it as the rest of a delivery.
        self._is_aware = ISubstreamProtocol.providedBy(protocol)
        self._takes_views = ITakesViews.providedBy(protocol)
        self.takes_sequences = ITakesSequences.providedBy(protocol)
        lost = self._lost
        self._reading = READING[self._reading][ReadingInput.ATTACH]
        self._intake.begin()
        try:
            protocol.makeConnection(cast("ITransport", self))
        except Exception as fault:  # noqa: BLE001  # as in `_guarded`
            self._pump.failed(self, fault)
        self._intake.begun(self._hand_on)
        if lost is not None:
            self._call_lost(lost)

    @property
    def _releases_later(self) -> bool:
        """Whether the protocol will call `release` itself."""
        return self._is_aware and not self._reading.is_lost

    @property
    def peer_ended(self) -> bool:
        """Whether the peer sends no more data on this substream, or the substream is released."""
        return self._peer_ended or self._writing.is_released

    # --- from the tunnel --------------------------------------------------------------

    def deliver(self, event: Delivery) -> None:
        """Deliver an event to the protocol now, or hold it until the protocol can take it.

        An error or a reset drops everything that is held, and is delivered even while the consumer
        is paused. Too many events end the substream with an error.
        """
        if isinstance(event, StreamEnded):
            self._peer_ended = True
        elif isinstance(event, CustomReceived):
            # Events need no credit: too many must neither come nor wait.
            window = self._stream.window
            if (
                window is not None
                and self._reading.wants_data
                and (
                    self._intake.event_bytes > MAX_HELD_EVENTS_BYTES
                    or not window.count_event(self._pump.clock.seconds())
                )
            ):
                self._end_for("ENOBUFS: too many events")
                return
        else:
            self._drop_held()
            if self._reading is not Reading.WAITING:
                self._hand_on(event)  # even while the consumer is paused: it can be aborted
                return
        if self._intake.is_through:
            self._hand_on(event)
        else:
            self._intake.wait(event)

    def deliver_data(self, run: Sequence[DataReceived]) -> None:
        """Deliver consecutive pieces of data to the protocol, or hold them until it can take them.

        A protocol that provides ITakesSequences may receive several pieces in one call.
        """
        if len(run) > 1 and self.takes_sequences and self._intake.is_through:
            self._hand_on_together([event.data for event in run])
            return
        for event in run:
            if self._intake.is_through:
                self._hand_on_data(event.data)
            else:
                self._intake.wait(event)

    def _hand_on_together(self, pieces: Sequence[BytesLike]) -> None:
        if self._reading.is_open and self.takes_sequences:
            try:
                cast("ITakesSequences", self.protocol).dataSequenceReceived(pieces)
            except Exception as fault:  # noqa: BLE001  # as below
                self._pump.failed(self, fault)
        self._consumed(sum(map(len, pieces)))
        self._release_if_over()

    def _hand_on_data(self, data: BytesLike) -> None:
        try:
            if self._reading.is_open and self.protocol is not None:
                # Some protocols accept views: a copy costs as much as the rest of the way.
                self.protocol.dataReceived(data if self._takes_views else bytes(data))  # type: ignore[arg-type]  # as it says
        except Exception as fault:  # noqa: BLE001  # as in `_guarded`, without a closure per event
            self._pump.failed(self, fault)
        # As `_consumed`, without two calls for each piece of data.
        window = self._stream.window
        if window is not None and (grant := window.take(len(data), self._pump.clock.seconds())):
            self._stream.grant(grant)
            self._flush()
        if self._writing.is_sent or self._reading.is_lost:
            self._release_if_over()

    def _hand_on(self, event: Delivery) -> None:
        if isinstance(event, DataReceived):
            self._hand_on_data(event.data)
            return
        try:
            match event:
                case CustomReceived():
                    if self._is_aware and not self._reading.is_lost:
                        self.protocol.customReceived(event.name, event.args)  # type: ignore[union-attr]
                case StreamEnded():
                    self._call_end()
                case StreamFailed():
                    self._call_failed(event.message)
                case StreamReset():
                    self._call_reset()
                case _:
                    assert_never(event)
        except Exception as fault:  # noqa: BLE001  # as in `_guarded`
            self._pump.failed(self, fault)
        if self._writing.is_sent or self._reading.is_lost:
            self._release_if_over()

    def _consumed(self, nbytes: int) -> None:
        if self._stream.consumed(nbytes, self._pump.clock.seconds()):
            self._flush()

    def _drop_held(self) -> None:
        # Dropped data counts as consumed: else the peer might lack the credit to send its end.
        if self._intake.waiting and (nbytes := self._intake.drop()):
            self._consumed(nbytes)

    def _call_end(self) -> None:
        if IHalfCloseableProtocol.providedBy(self.protocol):
            if self._reading.is_open:
                self.protocol.readConnectionLost()
        elif not self._releases_later and not self.disconnecting:
            self._lose(Failure(error.ConnectionDone()))

    def _call_failed(self, message: str) -> None:
        if not self._is_aware:
            self._lose(Failure(SubstreamError(message)))
        elif not self._reading.is_lost:
            cast("ISubstreamProtocol", self.protocol).errorReceived(message)

    def _call_reset(self) -> None:
        if not self._is_aware:
            self._lose(Failure(SubstreamError("the peer accepts no more data")))
        elif not self._reading.is_lost:
            cast("ISubstreamProtocol", self.protocol).resetReceived()

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that are held for the paused consumer of the substream."""
        return self._intake.nbytes

    @property
    def has_unread(self) -> bool:
        """Whether the substream holds data or events that the protocol has not taken."""
        return bool(self._intake.waiting)

    # --- IPushProducer: the consumer's side -------------------------------------------

    def pauseProducing(self) -> None:
        """Hold received data and events until `resumeProducing`."""
        if self._reading.is_open:
            self._intake.close()

    def resumeProducing(self) -> None:
        """Deliver the held data and events, and later ones at once."""
        if self._reading.is_open:
            self._intake.open(self._hand_on)

    def _call_lost(self, reason: Failure) -> None:
        protocol = self.protocol
        if protocol is not None:
            try:
                protocol.connectionLost(reason)
            except Exception as fault:  # noqa: BLE001  # as in `_guarded`
                self._pump.failed(self, fault)
            self.protocol = _GONE
