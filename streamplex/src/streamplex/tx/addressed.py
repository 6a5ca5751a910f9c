"""The parts of a Twisted transport that a substream has for the interface's sake only."""

from __future__ import annotations

from typing import NamedTuple

from twisted.internet.interfaces import IAddress
from zope.interface import implementer


@implementer(IAddress)
class SubstreamAddress(NamedTuple):
    """A substream's number and name: all that the tunnel knows of its target."""

    channel: int
    name: str | None


class Addressed:
    """A transport that is known by a number and a name, and has no TCP options of its own."""

    __slots__ = ("channel", "name")

    def __init__(self, channel: int, name: str | None) -> None:
        self.channel = channel
        self.name = name

    def getPeer(self) -> IAddress:
        """Return the substream's number and name; there is no IP address."""
        return SubstreamAddress(self.channel, self.name)

    def getHost(self) -> IAddress:
        """Return the same as `getPeer`."""
        return SubstreamAddress(self.channel, self.name)

    def getTcpNoDelay(self) -> bool:
        """Return True: the tunnel sends small writes without delay."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: the tunnel sends small writes without delay in any case."""

    def getTcpKeepAlive(self) -> bool:
        """Return False: the tunnel checks whether its peer is alive, not the substream."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Do nothing: the tunnel checks whether its peer is alive, not the substream."""
