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
from tessel_proxy.tunnel.shared_state import House


class Tunnels(ServerFactory[TunnelProtocol]):
    """Makes a tunnel of each connection."""

    noisy = False

    def __init__(self, house: House, numbers: Iterator[int], listener: Listener) -> None:
        self._house = house
        self._numbers = numbers
        self._listener = listener

    def buildProtocol(self, addr: IAddress | None) -> TunnelProtocol:
        record = TunnelRecord(
            tunnel=next(self._numbers),
            peer=_peer(addr),
            started_at=self._house.clock.seconds(),
            listener=self._listener,
            witness=self._house.witness,
            lines=self._house.lines,
        )
        return TunnelProtocol(
            Side.A, Session(self._house, record, _source(addr)), self._house.clock
        )


class Door(ServerFactory[TLSMemoryBIOProtocol]):
    """Lets connections in, TLS below their tunnels, while there is room for one more stranger."""

    noisy = False

    def __init__(self, house: House, memory: MemoryWatch, tunnels: TLSFactory) -> None:
        self._census = house.census
        self._witness = house.witness
        self._lines = house.lines
        self._memory = memory
        self._config = house.config
        self._shares = house.limits.shares
        self._tunnels = tunnels

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:
        if why := self._no_room():
            log_refused(None, _peer(addr), why, self._witness, self._lines)
            return None  # the connection is closed at once
        return self._tunnels.buildProtocol(addr)

    def _no_room(self) -> Refusal | None:
        census, config = self._census, self._config
        if self._memory.is_full:
            return Refusal.MEMORY_FULL
        if len(census.all) >= self._shares.tunnels:
            return Refusal.TOO_MANY_TUNNELS
        if len(census.unauthenticated) >= config.max_unauthenticated:
            return Refusal.TOO_MANY_UNAUTHENTICATED
        if len(census.handshaking) >= config.max_handshakes:
            return Refusal.TOO_MANY_HANDSHAKES
        return None


def _source(addr: IAddress | None) -> str:
    return source_of(addr.host) if isinstance(addr, IPv4Address | IPv6Address) else ""


def _peer(addr: IAddress | None) -> str:
    return "" if addr is None else peer_name(addr)
