"""Judged addresses -> the first connection that stands: RFC 8305's happy eyeballs over one answer.

Twisted's HostnameEndpoint does not mix the families, waits out its delay though an attempt has
failed, and forgets which address failed how. Its endpoints of one address leave a wrapper between
the connection and its protocol for ever, which costs every octet a call and every idle substream
memory; so attempts are made here. Whoever dials sets the limit of time, and cancels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTCP,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from tessel_proxy.egress import Address
from tessel_proxy.nodewords import not_connected

ATTEMPT_DELAY_S = 0.25  # RFC 8305, section 8
MAX_ADDRESSES = 16  # of one answer: whoever owns a name could have us try thousands


class IDiallingReactor(IReactorTCP, IReactorTime):
    """What dialling needs of the reactor."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection that stands, and where it leads."""

    protocol: IProtocol
    address: Address


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """The families in alternation, the one that the resolver prefers first (RFC 8305, 4)."""
    first = [each for each in addresses if each.version == addresses[0].version]
    other = [each for each in addresses if each.version != addresses[0].version]
    mixed = chain.from_iterable(zip_longest(first, other))
    return [each for each in mixed if each is not None][:MAX_ADDRESSES]


class Dialling:
    """Attempts at one target, of which the first that stands wins."""

    def __init__(
        self,
        reactor: IDiallingReactor,
        addresses: Sequence[Address],
        port: int,
        factory: IProtocolFactory,
    ) -> None:
        self._reactor = reactor
        self._left = deque(addresses)
        self._first = addresses[0]
        self._port = port
        self._factory = factory
        self._attempts: dict[Address, _Attempt] = {}
        self._failures: dict[Address, Failure] = {}
        self._next_due: IDelayedCall | None = None
        self._won: Deferred[Dialled] = Deferred(lambda _: self._stop())

    def start(self) -> Deferred[Dialled]:
        """The winner, or a TargetError about the address that was tried first."""
        self._try_next()
        return self._won

    def _try_next(self) -> None:
        self._cancel_next()
        address = self._left.popleft()
        attempt = self._attempts[address] = _Attempt(self, address)
        if self._left:
            self._next_due = self._reactor.callLater(ATTEMPT_DELAY_S, self._try_next)
        attempt.start(self._reactor, self._port)

    def protocol(self, address: IAddress) -> IProtocol | None:
        """That of the attempt which stands."""
        return self._factory.buildProtocol(address)

    def stands(self, protocol: IProtocol, address: Address) -> None:
        """An attempt has won."""
        del self._attempts[address]
        self._stop()
        self._won.callback(Dialled(protocol, address))

    def failed(self, failure: Failure, address: Address) -> None:
        """An attempt has come to nothing."""
        if self._attempts.pop(address, None) is None:
            return  # it was stopped
        self._failures[address] = failure
        if self._left:
            self._try_next()
        elif not self._attempts:
            # The resolver puts first what fits this host best, so its failure tells the most.
            self._won.errback(not_connected(self._first, self._port, self._failures[self._first]))

    def _stop(self) -> None:
        self._left.clear()
        self._cancel_next()
        attempts, self._attempts = self._attempts, {}
        for attempt in attempts.values():
            attempt.stop()

    def _cancel_next(self) -> None:
        if self._next_due is not None and self._next_due.active():
            self._next_due.cancel()
        self._next_due = None


class _Attempt:
    """One connection to one address, and the factory for it."""

    __slots__ = ("_address", "_connector", "_dialling")

    def __init__(self, dialling: Dialling, address: Address) -> None:
        self._dialling: Dialling | None = dialling  # until it stands, has failed or is stopped
        self._address = address

    def start(self, reactor: IReactorTCP, port: int) -> None:
        # Twisted takes whatever can do what a factory does, and None for no limit of time.
        factory = cast("ClientFactory[Protocol]", self)
        no_limit = cast("float", None)
        self._connector = reactor.connectTCP(str(self._address), port, factory, no_limit)

    def stop(self) -> None:
        self._dialling = None
        self._connector.stopConnecting()

    # --- as its connector's factory

    def doStart(self) -> None:
        """Nothing starts with it."""

    def doStop(self) -> None:
        """Nothing ends with it."""

    def startedConnecting(self, connector: IConnector) -> None:
        """`start` knows."""

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        if self._dialling is None:
            return None
        protocol = self._dialling.protocol(addr)
        return None if protocol is None else _Herald(protocol, self._stands)

    def _stands(self, protocol: IProtocol) -> None:
        dialling, self._dialling = self._dialling, None
        if dialling is not None:
            dialling.stands(protocol, self._address)

    def clientConnectionFailed(self, _connector: IConnector, reason: Failure) -> None:
        dialling, self._dialling = self._dialling, None
        if dialling is not None:
            dialling.failed(reason, self._address)

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """Its protocol knows."""


class _Herald(Protocol):
    """Hands a new connection on to its protocol, and tells that it stands."""

    def __init__(self, protocol: IProtocol, stands: Callable[[IProtocol], None]) -> None:
        self._protocol = protocol
        self._stands = stands

    def makeConnection(self, transport: ITransport) -> None:
        # Twisted asks the connection for its protocol each time: it may be replaced.
        cast("Connection", transport).protocol = self._protocol
        self._protocol.makeConnection(transport)
        self._stands(self._protocol)
