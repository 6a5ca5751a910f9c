"""Factories for the connections of devices: admission, then one TunnelProtocol and Session each."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.protocols.tls import TLSMemoryBIOProtocol

from streamplex import Side
from streamplex.tx import TunnelProtocol
from streamplex.tx.tls import TLSFactory
from tessel_proxy.limits.memory import MemoryWatch
from tessel_proxy.records.accounting import Listener, TunnelRecord, log_refused
from tessel_proxy.records.ends import Refusal
from tessel_proxy.records.peers import peer_name, source_of
from tessel_proxy.tunnel.session import Session
from tessel_proxy.tunnel.shared_state import SharedState


class TunnelFactory(ServerFactory[TunnelProtocol]):
    """Makes a tunnel of each connection."""

    noisy = False

    def __init__(self, shared: SharedState, numbers: Iterator[int], listener: Listener) -> None:
        self._shared = shared
        self._numbers = numbers
        self._listener = listener

    def buildProtocol(self, addr: IAddress | None) -> TunnelProtocol:
        record = TunnelRecord(
            tunnel=next(self._numbers),
            peer=_peer(addr),
            started_at=self._shared.clock.seconds(),
            listener=self._listener,
            witness=self._shared.witness,
            lines=self._shared.lines,
        )
        return TunnelProtocol(
            Side.A, Session(self._shared, record, _source(addr)), self._shared.clock
        )


class AdmissionFactory(ServerFactory[TLSMemoryBIOProtocol]):
    """Lets connections in, TLS below their tunnels, while there is room for one more stranger."""

    noisy = False

    def __init__(self, shared: SharedState, memory: MemoryWatch, tunnels: TLSFactory) -> None:
        self._tunnels = shared.tunnels
        self._witness = shared.witness
        self._lines = shared.lines
        self._memory = memory
        self._config = shared.config
        self._shares = shared.limits.shares
        self._factory = tunnels

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:
        if why := self._no_room():
            log_refused(None, _peer(addr), why, self._witness, self._lines)
            return None  # the connection is closed at once
        return self._factory.buildProtocol(addr)

    def _no_room(self) -> Refusal | None:
        tunnels, config = self._tunnels, self._config
        if self._memory.is_full:
            return Refusal.MEMORY_FULL
        if len(tunnels.all) >= self._shares.tunnels:
            return Refusal.TOO_MANY_TUNNELS
        if len(tunnels.unauthenticated) >= config.max_unauthenticated:
            return Refusal.TOO_MANY_UNAUTHENTICATED
        if len(tunnels.handshaking) >= config.max_handshakes:
            return Refusal.TOO_MANY_HANDSHAKES
        return None


def _source(addr: IAddress | None) -> str:
    return source_of(addr.host) if isinstance(addr, IPv4Address | IPv6Address) else ""


def _peer(addr: IAddress | None) -> str:
    return "" if addr is None else peer_name(addr)
