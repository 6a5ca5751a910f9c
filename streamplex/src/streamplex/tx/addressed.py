"""The addresses and TCP options of a substream, which Twisted expects of a TCP transport."""

from __future__ import annotations

from typing import NamedTuple

from twisted.internet.interfaces import IAddress
from zope.interface import implementer


@implementer(IAddress)
class SubstreamAddress(NamedTuple):
    """The channel number and name of a substream, in place of an IP address.

    `name` is None if the opener of the substream gave no name.
    """

    channel: int
    name: str | None


class Addressed:
    """The addresses and TCP options of a substream's transport.

    The address is the channel number and name. There are no TCP options: their methods do nothing
    or return fixed values.
    """

    __slots__ = ("channel", "name")

    channel: int
    name: str | None

    def getPeer(self) -> IAddress:
        """Return the substream's channel number and name. There is no IP address."""
        return SubstreamAddress(self.channel, self.name)

    def getHost(self) -> IAddress:
        """Return the substream's channel number and name, as `getPeer` does."""
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
