"""Why a tunnel ended: from its connection's reason to a TunnelOutcome and words for the log."""

from __future__ import annotations

from typing import cast

from OpenSSL import SSL
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import ITransport
from twisted.python.failure import Failure

from streamplex import RemoteError, SilentPeerError
from streamplex.tx.endings import in_words
from streamplex.tx.tls import TLSTransport, ended_by_fin
from tessel_proxy.records.ends import TunnelOutcome


def outcome_of(reason: Failure, transport: ITransport | None, *, secured: bool) -> TunnelOutcome:
    """Return how a tunnel ended, if the proxy did not close it.

    Args:
        reason: why the connection was lost.
        transport: the tunnel's transport.
        secured: whether the TLS handshake was complete.
    """
    if reason.check(RemoteError):
        return TunnelOutcome.PROTOCOL_FAULT
    if reason.check(SilentPeerError):
        return TunnelOutcome.SILENT
    if not secured:
        silent = isinstance(transport, TLSTransport) and not transport.heard
        return TunnelOutcome.NOTHING_SENT if silent else TunnelOutcome.HANDSHAKE_FAILED
    if ended_by_fin(reason, transport):
        return TunnelOutcome.ENDED
    return TunnelOutcome.LOST


def in_log_words(reason: Failure, transport: ITransport | None, *, by_proxy: bool) -> str:
    """Return in words for the log why a connection ended.

    `by_proxy`: whether the proxy closed the tunnel.
    """
    if reason.check(ConnectionClosed):
        if by_proxy:
            return "the proxy closed the tunnel"
        if ended_by_fin(reason, transport):
            return "the device closed the connection"
    return in_words(reason)


def was_resumed(transport: ITransport | None) -> bool:
    """Return whether the device resumed an earlier TLS session with a ticket."""
    return isinstance(transport, TLSTransport) and transport.resumed


def tls_facts(transport: ITransport | None) -> tuple[str, str] | None:
    """Return the TLS version and the cipher of a connection; None: it is no TLS connection."""
    if not isinstance(transport, TLSTransport):
        return None
    connection = cast("SSL.Connection", transport.getHandle())
    return connection.get_protocol_version_name(), connection.get_cipher_name() or ""
