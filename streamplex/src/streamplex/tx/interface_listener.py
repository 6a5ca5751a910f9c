"""The interface that the owner of a tunnel implements to receive the tunnel's events."""

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
        """Called when the transport of `tunnel` is connected. With TLS, the handshake follows."""

    def tunnelSecured() -> None:
        """Called when the TLS handshake is complete. Never called without TLS."""

    def messageReceived(value: Json) -> None:
        """Called when the peer sent an application message on the control channel."""

    def substreamOpened(substream: Substream) -> None:
        """Called when the peer opened a substream.

        The listener attaches a protocol to it, now or later. Until then the substream holds what it
        receives.
        """

    def goAwayReceived(after_ms: int) -> None:
        """Called when the server asks the device to open no more substreams on this tunnel.

        The device should connect again after `after_ms` milliseconds. Only called with `goaway/1`,
        and only on the device's side.
        """

    def tunnelLost(reason: Failure) -> None:
        """Called when the tunnel is over, after connectionLost of every substream's protocol.

        `reason` is a `RemoteError` if the peer broke the protocol, a `SilentPeerError` if it did
        not answer a ping, the exception given to `abortConnection` if this side aborted, or else
        the transport's reason.
        """
