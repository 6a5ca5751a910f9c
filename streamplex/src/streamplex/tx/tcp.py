"""TCP features that Twisted does not offer: keepalive times, and how much was acknowledged."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

_IDLE_OPTION: Final[int | None] = getattr(
    socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)
)
"""Linux and the BSDs have the first name, macOS the second."""


@dataclass(frozen=True, slots=True)
class KeepAliveTimes:
    """The times of TCP keepalive probes to a silent peer, in seconds, and the number of probes.

    The defaults find a dead peer in 2 minutes; `idle_s` 0 means no probes. Linux waits for two
    hours by default. Address translators of clouds and homes forget a silent connection after 4
    minutes or more, so a probe each minute keeps it in their tables, too.

    TCP_USER_TIMEOUT is not set: with it Linux also ends a connection whose peer answers every probe
    but has no room for more data. A program that does not read for a while is not a dead peer.
    """

    idle_s: int = 60  # 0: no probes
    interval_s: int = 15
    probes: int = 4

    @property
    def lost_s(self) -> int:
        """Seconds of silence until the system reports a dead peer; 0: no probes are sent."""
        return self.idle_s and self.idle_s + self.interval_s * self.probes


def tcp_below(transport: object) -> Connection | None:
    """Return the TCP connection that carries this transport, also below TLS; None if none does."""
    below = _below(transport)
    return below if isinstance(below, Connection) else None


def _below(transport: object) -> object:
    while isinstance(transport, ProtocolWrapper):  # such as TLS
        transport = transport.transport
    return transport


SocketOption: TypeAlias = tuple[int, int, int]
"""The arguments of `setsockopt`: level, name and value."""


def probe_options(times: KeepAliveTimes) -> Sequence[SocketOption]:
    """Return the options that turn on TCP keepalive probes with these times; `idle_s` 0: none.

    Options that the operating system lacks are left out.
    """
    if not times.idle_s:
        return ()
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if _IDLE_OPTION is not None:
        options.append((socket.IPPROTO_TCP, _IDLE_OPTION, times.idle_s))
    if hasattr(socket, "TCP_KEEPINTVL"):
        options.append((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, times.interval_s))
    if hasattr(socket, "TCP_KEEPCNT"):
        options.append((socket.IPPROTO_TCP, socket.TCP_KEEPCNT, times.probes))
    return options


def probe_peer(of: socket.socket, times: KeepAliveTimes) -> None:
    """Turn on TCP keepalive probes with these times on a socket; `idle_s` 0: do nothing."""
    for option in probe_options(times):
        of.setsockopt(*option)


@dataclass(frozen=True, slots=True)
class Progress:
    """How much a connection has transferred at one time, for comparison with a later time."""

    received: int  # bytes from the peer, read by this process or not
    taken: int  # bytes that the peer's system has acknowledged; higher is further
    under_way: bool  # whether sent bytes are not acknowledged
    since_s: float  # seconds since the last byte or acknowledgement


_TCP_INFO: Final = Struct("=24xI24xII60xQQ8xI")
"""Of Linux's struct tcp_info, which only ever grows at its end: tcpi_unacked, _last_data_recv,
_last_ack_recv (both milliseconds ago), _bytes_acked, _bytes_received, _notsent_bytes."""

_LINUX: Final = sys.platform == "linux"


def progress_of(transport: object) -> Progress | None:
    """Return the progress of the connection below this transport; None if it is unknown.

    Linux reports the bytes that the peer acknowledged. On other systems, and for a radio, the bytes
    that have left the transport count. That is less exact, since the system or the radio queues
    bytes, too.
    """
    below = _below(transport)
    if not isinstance(below, Connection):
        return _by_queue(getattr(below, "unsent_bytes", None))
    if _LINUX:
        return _by_system(below.getHandle())
    return _by_queue(unsent_bytes(below))


def unsent_bytes(connection: Connection) -> int:
    """Return the number of bytes written to `connection` that the system has not accepted yet.

    Twisted has no public name for this. tests/unit/streamplex/tx/test_twisted_internals.py checks
    that the attributes still mean what they are taken for.
    """
    return len(connection.dataBuffer) - connection.offset + connection._tempDataLen  # noqa: SLF001


def _by_queue(unsent: int | None) -> Progress | None:
    if unsent is None:
        return None
    return Progress(received=0, taken=-unsent, under_way=bool(unsent), since_s=0.0)


def _by_system(connection: socket.socket) -> Progress | None:
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:  # the connection is closed; connectionLost follows
        return None
    if len(info) < _TCP_INFO.size:  # a kernel older than Linux 4.6, or one that emulates Linux
        return None
    unacknowledged, data_ms, ack_ms, taken, received, unsent = _TCP_INFO.unpack(info)
    return Progress(received, taken, bool(unacknowledged or unsent), min(data_ms, ack_ms) / 1000)
