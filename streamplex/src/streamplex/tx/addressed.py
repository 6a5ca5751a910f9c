"""What a transport of Twisted's can be asked, and a substream has only for the form's sake."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IAddress
from zope.interface import implementer


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class SubstreamAddress:
    """Where a substream leads, as far as the tunnel knows."""

    channel: int
    name: str | None


class Addressed:
    """A transport whose addresses whoever knows better may set, and without TCP's options.

    `peer_address` and `host_address` are what getPeer and getHost answer.
    """

    __slots__ = ("host_address", "peer_address")

    def __init__(self, address: IAddress) -> None:
        self.peer_address = address
        self.host_address = address

    def getPeer(self) -> IAddress:
        """What is at the other end; there is no IP address here."""
        return self.peer_address

    def getHost(self) -> IAddress:
        """What is at this end; there is no IP address here."""
        return self.host_address

    def getTcpNoDelay(self) -> bool:
        """Always so: the tunnel waits for nothing."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to do: the tunnel waits for nothing."""

    def getTcpKeepAlive(self) -> bool:
        """Never: keeping alive is the tunnel's business."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing to do: keeping alive is the tunnel's business."""
