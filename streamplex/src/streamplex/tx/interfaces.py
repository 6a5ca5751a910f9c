"""What the Twisted binding asks of the code above it."""

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
    """A protocol over a substream that also understands what TCP does not have.

    Such a protocol, and it alone, says when the substream is over: it calls
    `Substream.release`, and gets its connectionLost from that (or from the tunnel's end).
    Until then events reach it even when it has stopped taking data.
    """

    def customReceived(name: str, args: tuple[Json, ...]) -> None:
        """The peer sent the event `name`. It comes behind all data that was sent before it."""

    def errorReceived(message: str) -> None:
        """The peer's end failed. Data not delivered yet is gone, as after a TCP reset."""

    def resetReceived() -> None:
        """The peer reads no more: what was queued for it is gone. It waits for this side's end.

        Only with `credit/1`.
        """


class ITakesViews(Interface):
    """A protocol whose dataReceived takes views as well as bytes.

    It copies what it keeps: the bytes of a view change after the call. Others are given bytes.
    """


class ITakesSequences(ITakesViews):
    """A protocol over a substream that takes what came together in one call."""

    def dataSequenceReceived(pieces: Sequence[BytesLike]) -> None:
        """Data came, in several pieces; views, as for dataReceived."""


class Held(Protocol):
    """Counts the bytes that a substream holds for a paused consumer."""

    def add(self, nbytes: int) -> None: ...
    def remove(self, nbytes: int) -> None: ...


class Crashable(Protocol):
    """A substream, as the code that calls its protocol sees it."""

    @property
    def channel(self) -> int: ...
    def crashed(self, fault: Exception) -> None: ...


class Pump(Protocol):
    """What a substream needs of the tunnel that carries it."""

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
