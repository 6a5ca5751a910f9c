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
    the protocol's connectionLost, unless the tunnel ends before. Until then the protocol receives
    events, even after it has stopped taking data.
    """

    def customReceived(name: str, args: tuple[Json, ...]) -> None:
        """Called when the peer sent the event `name` with `args`.

        All data that the peer sent before the event has been delivered.
        """

    def errorReceived(message: str) -> None:
        """Called when the peer reported that its side failed, with the peer's text.

        Data that was not delivered is dropped, as after a TCP reset.
        """

    def resetReceived() -> None:
        """Called when the peer accepts no more data. This side's queued data was dropped.

        The peer waits for this side to end the substream. Only called with `credit/1`.
        """


class ITakesViews(Interface):
    """A protocol whose dataReceived accepts memoryviews as well as bytes.

    The protocol has to copy the data that it keeps: the bytes of a view change after the call.
    Protocols without this interface receive bytes.
    """


class ITakesSequences(ITakesViews):
    """A protocol over a substream that accepts several pieces of data in one call."""

    def dataSequenceReceived(pieces: Sequence[BytesLike]) -> None:
        """Called when data arrived in several pieces. They are views, as in dataReceived."""


class Held(Protocol):
    """Counts the bytes that a substream holds for a paused consumer.

    `add` is called when bytes are held, `remove` when they are taken or dropped.
    """

    def add(self, nbytes: int) -> None: ...
    def remove(self, nbytes: int) -> None: ...


class Crashable(Protocol):
    """A substream that is ended with an error, by `crashed`, if a call of its protocol raises."""

    @property
    def channel(self) -> int: ...
    def crashed(self, fault: Exception) -> None: ...


class Pump(Protocol):
    """The part of a tunnel that its substreams use. TunnelProtocol implements it.

    `clock` is the reactor; `held` counts the bytes held without flow control. `flush` sends what is
    queued; while `is_flushing`, a flush further up the stack will do so. `write_frames` sends
    frames past the queue, if `takes_now` is True for their data. `together` makes a call and then
    sends everything that it queued in one piece. `behind` makes a guarded call after everything of
    the current read was delivered. `release` frees the number of a substream. `call_guarded` makes
    a call into a substream's protocol; if it raises, `failed` logs the exception and ends that
    substream.
    """

    @property
    def clock(self) -> IReactorTime: ...
    @property
    def held(self) -> Held: ...

    is_flushing: bool

    def flush(self) -> None: ...
    def takes_now(self, nbytes: int) -> bool: ...
    def write_frames(self, frames: memoryview) -> None: ...
    def together(self, call: Callable[[], None]) -> None: ...
    def behind(self, substream: Crashable, call: Callable[[], None]) -> None: ...
    def release(self, channel: int) -> None: ...
    def call_guarded(self, substream: Crashable, call: Callable[[], None]) -> None: ...
    def failed(self, substream: Crashable, fault: Exception) -> None: ...
