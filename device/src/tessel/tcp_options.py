"""TCP options of connections that are not TCP sockets of the operating system."""

from __future__ import annotations

from typing import ClassVar


class FixedTcpOptions:
    """Part of `ITCPTransport` for a transport whose TCP options cannot be changed.

    Setting an option has no effect: `net.Socket` of Node sets them on every connection.
    """

    sends_at_once: ClassVar[bool] = False
    """The fixed value of TCP_NODELAY: whether small writes are sent without delay."""

    def getTcpNoDelay(self) -> bool:
        """Return `sends_at_once`, the fixed value of TCP_NODELAY."""
        return self.sends_at_once

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: TCP_NODELAY of this transport is fixed."""

    def getTcpKeepAlive(self) -> bool:
        """Return False: a single connection sends no keepalive probes."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Do nothing: this transport sends no keepalive probes."""
