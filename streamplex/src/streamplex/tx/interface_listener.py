"""What the Twisted binding calls on the owner of a tunnel."""

# mypy: disable-error-code="misc"
# zope.interface's methods are declared without self.

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure
from zope.interface import Interface

from streamplex.jsontext import Json
from streamplex.tx.substream import Substream

if TYPE_CHECKING:
    from streamplex.tx.protocol import TunnelProtocol


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
