"""Read the PROXY protocol, with which load balancers send the address of the client, before TLS.

A connection of a load balancer is read until its header is complete, and is then passed on with the
address in the header. Connections from other addresses are passed on unchanged, because anybody
could forge a header. If they begin with one, it is an invalid TLS handshake.
"""

from __future__ import annotations

from typing import Any, Final, cast
from typing import Protocol as Interface

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.front.networks import Networks
from tessel_proxy.front.proxy_header import ProxyHeaderError, read_header
from tessel_proxy.records.accounting import Witness
from tessel_proxy.records.ends import Refusal
from tessel_proxy.records.peers import peer_name, source_of_peer
from tessel_proxy.records.repeated_lines import LineKind, LogLines

HEADER_S: Final = 5.0
"""Seconds that a load balancer has to send its header."""


class _BalancerTransport(Interface):
    protocol: IProtocol

    def abortConnection(self) -> None: ...


class ProxyProtocolFactory(ServerFactory[Any]):
    """A factory that reads the PROXY header of load balancers before TLS begins.

    For each connection it calls the factory `behind` with the address of the client. Connections
    from addresses outside `balancers` are passed on unchanged. `max_waiting` limits the connections
    that wait for a header.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        behind: ServerFactory[Any],
        balancers: Networks,
        clock: IReactorTime,
        max_waiting: int,
        witness: Witness,
        *,
        lines: LogLines,
    ) -> None:
        self.behind = behind
        self.clock = clock
        self.waiting: set[AwaitHeader] = set()
        self._balancers = balancers
        self._max_waiting = max_waiting
        self._witness = witness
        self._lines = lines

    def buildProtocol(self, addr: IAddress | None) -> IProtocol | None:
        """Called for each connection: returns its protocol, or None to close it at once.

        A load balancer's connection is refused if `max_waiting` others wait for a header.
        """
        if not isinstance(addr, IPv4Address | IPv6Address) or addr.host not in self._balancers:
            return cast("IProtocol | None", self.behind.buildProtocol(addr))
        if len(self.waiting) >= self._max_waiting:
            self.refuse(addr, "too many connections without a header")
            return None
        return AwaitHeader(self, addr)

    def refuse(self, balancer: IAddress, why: str) -> None:
        """Count and log that a load balancer's connection is refused, with the reason `why`."""
        peer, number = peer_name(balancer), Refusal.PROXY_HEADER.error.value
        self._witness.refused(Refusal.PROXY_HEADER, peer)

        def write() -> None:
            self._log.warn(
                "connection of the load balancer {peer} refused: {why}",
                event="proxy_header_refused",
                peer=peer,
                why=why,
                error=number,
            )

        event = "proxy_header_refused"
        self._lines.log(LineKind(event, event, source_of_peer(peer), why, error=number), write)

    def checked(self, balancer: IAddress) -> None:
        """Count and log a TCP check: a load balancer connected, and closed without a byte."""
        self._witness.tcp_checked()
        self._log.debug(
            "{peer} checked whether the port is open", event="tcp_check", peer=peer_name(balancer)
        )

    def abort(self) -> None:
        """Reset all connections that wait for a PROXY header."""
        for each in list(self.waiting):
            each.abort()


class AwaitHeader(Protocol):
    """A protocol that reads a load balancer's connection until its PROXY header is complete.

    Then the protocol for the device takes over the connection.
    """

    def __init__(self, front: ProxyProtocolFactory, balancer: IPv4Address | IPv6Address) -> None:
        self._front = front
        self._balancer = balancer
        self._buffer = b""
        self._deadline: IDelayedCall | None = None

    @property
    def _wire(self) -> _BalancerTransport:
        return cast("_BalancerTransport", self.transport)

    def connectionMade(self) -> None:
        """Called when the connection is open: gives the load balancer HEADER_S for its header."""
        self._front.waiting.add(self)
        self._deadline = self._front.clock.callLater(HEADER_S, self._fail, "no header in time")

    def dataReceived(self, data: bytes | memoryview) -> None:
        """Called with received bytes: passes the connection on when the header is complete.

        An invalid header closes the connection.
        """
        if self not in self._front.waiting:
            return  # it was closed
        self._buffer += data
        try:
            header = read_header(self._buffer)
        except ProxyHeaderError as error:
            self._fail(str(error))
            return
        if header is not None:
            self._hand_on(header.source or self._balancer, self._buffer[header.nbytes :])

    def _hand_on(self, source: IPv4Address | IPv6Address, rest: bytes) -> None:
        self._stop_waiting()
        protocol = cast("IProtocol | None", self._front.behind.buildProtocol(source))
        if protocol is None:
            self._wire.abortConnection()
            return
        self._wire.protocol = protocol
        protocol.makeConnection(self._wire)  # type: ignore[arg-type] # it is the same transport
        if rest:
            protocol.dataReceived(rest)

    def _fail(self, why: str) -> None:
        self._front.refuse(self._balancer, why)
        self.abort()

    def abort(self) -> None:
        """Reset the connection and stop waiting for its header."""
        self._stop_waiting()
        self._wire.abortConnection()

    def _stop_waiting(self) -> None:
        self._front.waiting.discard(self)
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 -- any
        """Called when the connection closes before its header is complete.

        Many load balancers connect and close without a byte to check whether the port is open.
        """
        if self in self._front.waiting and not self._buffer:
            self._front.checked(self._balancer)
        self._stop_waiting()
