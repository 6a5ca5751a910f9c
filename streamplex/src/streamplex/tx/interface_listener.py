"""The interface of a tunnel's owner."""

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
    """The owner of a tunnel: receives the events that concern the tunnel as a whole."""

    def tunnelMade(tunnel: TunnelProtocol) -> None:
        """The transport is connected. With TLS the handshake follows."""

    def tunnelSecured() -> None:
        """The TLS handshake is complete. Never called without TLS."""

    def messageReceived(value: Json) -> None:
        """The peer sent an application message on the control channel."""

    def substreamOpened(substream: Substream) -> None:
        """The peer opened a substream. Attach a protocol, now or later: received data is held."""

    def goAwayReceived(after_ms: int) -> None:
        """The server asks to open no more substreams, and to connect anew after `after_ms`.

        Only with `goaway/1`, and only on the device's side.
        """

    def tunnelLost(reason: Failure) -> None:
        """The tunnel is over, and every substream's connectionLost was called.

        The reason is a `RemoteError` if the peer broke the protocol, a `SilentPeerError` if it did
        not answer, or else the transport's reason.
        """
