"""What the system does for a TCP connection, and knows of it, beyond what Twisted asks for."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

_IDLE_OPTION: Final[int | None] = getattr(
    socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)
)
"""Linux and the BSDs have the first name, macOS the second."""


@dataclass(frozen=True, slots=True)
class KeepAliveTimes:
    """When TCP asks whether its peer is still there. The defaults find a dead peer in 2 minutes.

    Linux waits for two hours by default. Address translators of clouds and homes forget a silent
    connection after 4 minutes or more, so a probe each minute keeps it in their tables, too.

    TCP_USER_TIMEOUT is not set: Linux also ends a connection whose peer answers every probe but
    has no room for more data, and a program that reads nothing for a while is no dead peer.
    """

    idle_s: int = 60  # 0: no probes
    interval_s: int = 15
    probes: int = 4


def tcp_below(transport: object) -> Connection | None:
    """The TCP connection that carries this transport, if there is one."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport if isinstance(transport, Connection) else None


def probe_peer(of: socket.socket, times: KeepAliveTimes) -> None:
    """Have the system send keepalive probes on this connection; what it cannot do is left out."""
    if not times.idle_s:
        return
    of.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if _IDLE_OPTION is not None:
        of.setsockopt(socket.IPPROTO_TCP, _IDLE_OPTION, times.idle_s)
    if hasattr(socket, "TCP_KEEPINTVL"):
        of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, times.interval_s)
    if hasattr(socket, "TCP_KEEPCNT"):
        of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, times.probes)
