"""Keeps the TLS session with the proxy for the next tunnel.

A resumed session needs no signatures and no certificates. Because it does not check a certificate,
only sessions of accepted connections are kept, and only while their certificates are valid.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from OpenSSL import SSL

from tessel_service_kit.clocks import WallTime


@dataclass(frozen=True, slots=True)
class _Kept:
    session: SSL.Session = field(repr=False)
    context: SSL.Context = field(repr=False)  # only this context can resume the session
    ends: datetime


class Sessions:
    """Holds the TLS session of the last accepted connection to one server, for resumption."""

    def __init__(self, wall_time: WallTime = time.time) -> None:
        self._wall_time = wall_time
        self._kept: _Kept | None = None

    def resume(self, connection: SSL.Connection) -> datetime | None:
        """Offer the kept session to the server of a new connection, before its handshake.

        Returns the time at which the session's certificates expire; None if there is no usable
        session.
        """
        kept = self._kept
        if kept is None or kept.context is not connection.get_context():
            return None
        if datetime.fromtimestamp(self._wall_time(), UTC) >= kept.ends:
            self.forget()
            return None
        connection.set_session(kept.session)
        return kept.ends

    def keep(self, connection: SSL.Connection, ends: datetime) -> None:
        """Keep the session of a closed connection whose server was accepted.

        `ends` is the time at which the first certificate of the server's chain expires.
        """
        # Otherwise OpenSSL does not resume the session of a cut connection (RFC 2246 required that,
        # RFC 4346 does not). Devices reconnect mainly after their connection was cut.
        connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        session = connection.get_session()
        if session is not None:
            self._kept = _Kept(session, connection.get_context(), ends)

    def forget(self) -> None:
        """Drop the kept session: the next handshake is a full one."""
        self._kept = None
