"""Judged addresses -> the first connection that stands: RFC 8305's happy eyeballs over one answer.

Twisted's HostnameEndpoint does not mix the families, waits out its delay though an attempt has
failed, and forgets which address failed how.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from itertools import chain, zip_longest

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
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
        timeout_s: float,
    ) -> None:
        self._reactor = reactor
        self._left = deque(addresses)
        self._first = addresses[0]
        self._port = port
        self._factory = factory
        self._timeout_s = timeout_s
        self._attempts: dict[Address, Deferred[IProtocol]] = {}
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
        attempt = self._attempts[address] = self._endpoint(address).connect(self._factory)
        if self._left:
            self._next_due = self._reactor.callLater(ATTEMPT_DELAY_S, self._try_next)
        attempt.addCallbacks(
            self._stands, self._failed, callbackArgs=(address,), errbackArgs=(address,)
        )

    def _endpoint(self, address: Address) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if isinstance(address, IPv6Address) else TCP4ClientEndpoint
        return kind(self._reactor, str(address), self._port, self._timeout_s)

    def _stands(self, protocol: IProtocol, address: Address) -> None:
        del self._attempts[address]
        self._stop()
        self._won.callback(Dialled(protocol, address))

    def _failed(self, failure: Failure, address: Address) -> None:
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
            attempt.cancel()

    def _cancel_next(self) -> None:
        if self._next_due is not None and self._next_due.active():
            self._next_due.cancel()
        self._next_due = None
