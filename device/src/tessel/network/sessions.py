"""The TLS session with the proxy, kept for the next tunnel.

A device that returns resumes its session: neither side needs a signature, and the proxy sends no
certificates. Resuming looks at no certificate, so only the session of a connection that was
accepted is kept, and no longer than the certificates that were looked at are valid.
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
    context: SSL.Context = field(repr=False)  # whose sessions only this context can resume
    ends: datetime


class Sessions:
    """The session of the last connection to one server."""

    def __init__(self, wall_time: WallTime = time.time) -> None:
        self._wall_time = wall_time
        self._kept: _Kept | None = None

    def resume(self, connection: SSL.Connection) -> datetime | None:
        """Ask the server to resume the session. Until when may it be used? None: there is none."""
        kept = self._kept
        if kept is None or kept.context is not connection.get_context():
            return None
        if datetime.fromtimestamp(self._wall_time(), UTC) >= kept.ends:
            self.forget()
            return None
        connection.set_session(kept.session)
        return kept.ends

    def keep(self, connection: SSL.Connection, ends: datetime) -> None:
        """The connection is over, and its server was accepted."""
        # Else OpenSSL takes the connection for cut, and resumes its session no more (RFC 2246 asked
        # for that, RFC 4346 does not): devices return when their connection was cut.
        connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        session = connection.get_session()
        if session is not None:
            self._kept = _Kept(session, connection.get_context(), ends)

    def forget(self) -> None:
        """The next handshake is a full one."""
        self._kept = None
