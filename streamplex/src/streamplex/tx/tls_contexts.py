"""Settings of OpenSSL contexts whose connections become TLSTransports."""

from __future__ import annotations

from OpenSSL import SSL

_PARTIAL_WRITES = 1  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL turns on but does not name


def write_whole_pieces(context: SSL.Context) -> None:
    """Let connections of this TLS context encrypt a whole piece in one call.

    TLSTransport also works without it, with one call for each record. The context must be new.
    """
    context.clear_mode(_PARTIAL_WRITES)


def ignore_alpn(context: SSL.Context) -> None:
    """Let a server's connections of this context ignore the protocols that clients offer (ALPN).

    Twisted's contexts end such a handshake with a fatal alert, since they have no protocol in
    common. Load balancers, health checks and HTTP clients offer protocols to every TLS server. The
    context must be new.
    """
    context.set_alpn_select_callback(lambda _connection, _offered: SSL.NO_OVERLAPPING_PROTOCOLS)
