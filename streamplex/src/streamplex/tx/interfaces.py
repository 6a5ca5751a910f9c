"""What the Twisted binding asks of the code above it."""

# mypy: disable-error-code="misc"
# zope.interface's methods are declared without self.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from zope.interface import Interface

from streamplex.jsontext import Json
from streamplex.messages import BytesLike

if TYPE_CHECKING:
    from streamplex.tx.protocol import TunnelProtocol
    from streamplex.tx.substream import Substream


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


class ITunnelListener(Interface):
    """Who is told what happens to a tunnel as a whole."""

    def tunnelMade(tunnel: TunnelProtocol) -> None:
        """The transport stands. With TLS the handshake is still to come."""

    def tunnelSecured() -> None:
        """The TLS handshake is done. Never called on a transport without TLS."""

    def messageReceived(value: Json) -> None:
        """The peer sent an application message on the control channel."""

    def substreamOpened(substream: Substream) -> None:
        """The peer opened a substream. Attach a protocol now or later: what comes is held."""

    def goAwayReceived(after_ms: int) -> None:
        """The server asks to open nothing new here, and for the next tunnel after so long.

        Only with `goaway/1`, and only on the device's side.
        """

    def tunnelLost(reason: Failure) -> None:
        """The tunnel is over: `RemoteError` if the peer broke the protocol, else the
        transport's reason. Every substream has had its connectionLost.
        """
