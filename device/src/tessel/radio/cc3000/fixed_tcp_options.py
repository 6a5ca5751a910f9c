"""The TCP options of a transport that has none."""

from __future__ import annotations


class FixedTcpOptions:
    """Part of `ITCPTransport` for connections of the chip: the options are off and stay off."""

    def getTcpNoDelay(self) -> bool:
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: the chip has no such option."""

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Do nothing: the chip has one keepalive timer for all its sockets."""
