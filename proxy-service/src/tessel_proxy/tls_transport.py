"""Twisted's TLS, with a memory of how TCP ended below it.

TLS calls every end without close_notify a lost connection, though many peers, targets and devices
alike, know no other end than TCP's FIN. Whoever needs to can ask which of both it was.
"""

from __future__ import annotations

from twisted.internet import error
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import BufferingTLSTransport
from twisted.python.failure import Failure


class TLSTransport(BufferingTLSTransport):
    """As Twisted's."""

    tcp_reason: Failure | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.tcp_reason = reason
        super().connectionLost(reason)


def tcp_ended_cleanly(transport: object) -> bool:
    """Has TCP below the transport ended with a FIN? Only for those under TLS."""
    if not isinstance(transport, TLSTransport) or transport.tcp_reason is None:
        return False
    return transport.tcp_reason.check(error.ConnectionDone) is not None
