"""Interfaces between the parts of the Twisted binding, and with the protocols above it."""

# mypy: disable-error-code="misc"
# zope.interface's methods are declared without self.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IProtocol, IReactorTime
from zope.interface import Interface

from streamplex.jsontext import Json
from streamplex.messages import BytesLike


class ISubstreamProtocol(IProtocol):
    """A protocol over a substream that also receives events, errors and resets.

    Such a protocol decides when the substream is over: it calls `Substream.release`, which calls
    its connectionLost, unless the tunnel ends before. Until then it receives events, even after it
    has stopped taking data.
    """

    def customReceived(name: str, args: tuple[Json, ...]) -> None:
        """The peer sent the event `name`. All data that it sent before has been delivered."""

    def errorReceived(message: str) -> None:
        """The peer's side failed. Data that was not delivered is dropped, as after a TCP reset."""

    def resetReceived() -> None:
        """The peer reads no more, and queued data was dropped. The peer waits for this side's end.

        Only with `credit/1`.
        """


class ITakesViews(Interface):
    """A protocol whose dataReceived accepts memoryviews as well as bytes.

    It has to copy whatever it keeps: the bytes of a view change after the call. Protocols without
    this interface receive bytes.
    """


class ITakesSequences(ITakesViews):
    """A protocol over a substream that accepts several pieces of data in one call."""

    def dataSequenceReceived(pieces: Sequence[BytesLike]) -> None:
        """Data came in several pieces. They are views, as in dataReceived."""


class Held(Protocol):
    """Counts the bytes that a substream holds for a paused consumer."""

    def add(self, nbytes: int) -> None: ...
    def remove(self, nbytes: int) -> None: ...


class Crashable(Protocol):
    """A substream that can be ended with an error if a call of its protocol raises."""

    @property
    def channel(self) -> int: ...
    def crashed(self, fault: Exception) -> None: ...


class Pump(Protocol):
    """The part of a tunnel that its substreams use; TunnelProtocol implements it."""

    @property
    def clock(self) -> IReactorTime: ...
    @property
    def held(self) -> Held: ...
    def flush(self) -> None: ...
    def together(self, call: Callable[[], None]) -> None: ...
    def behind(self, call: Callable[[], None]) -> None: ...
    def forget(self, channel: int) -> None: ...
    def call_guarded(self, substream: Crashable, call: Callable[[], None]) -> None: ...
    def failed(self, substream: Crashable, fault: Exception) -> None: ...
