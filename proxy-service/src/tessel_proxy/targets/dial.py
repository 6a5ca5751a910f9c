"""Judged addresses -> the first connection that stands: RFC 8305's happy eyeballs over one answer.

Twisted's HostnameEndpoint does not mix the families, waits out its delay though an attempt has
failed, and forgets which address failed how; so attempts are made here. Whoever dials sets the
limit of time, and cancels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.egress.addresses import Address
from tessel_proxy.targets.connecting import Attempt, Connect, Standing
from tessel_proxy.targets.nodewords import not_connected

ATTEMPT_DELAY_S = 0.25  # RFC 8305, section 8
MAX_ADDRESSES = 16  # of one answer: whoever owns a name could have us try thousands


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """The families in alternation, the one that the resolver prefers first (RFC 8305, 4).

    Each address once: a resolver repeats what its answer or a file of hosts does, and two attempts
    at one address cannot be told apart.
    """
    if len(addresses) == 1:
        return list(addresses)
    once = dict.fromkeys(addresses)
    first = [each for each in once if each.version == addresses[0].version]
    other = [each for each in once if each.version != addresses[0].version]
    mixed = chain.from_iterable(zip_longest(first, other))
    return [each for each in mixed if each is not None][:MAX_ADDRESSES]


class Dialling:
    """Attempts at one target, of which the first that stands wins."""

    def __init__(
        self,
        connect: Connect,
        clock: IReactorTime,
        addresses: Sequence[Address],
        port: int,
        protocol: Callable[[], IProtocol],
    ) -> None:
        """`protocol` makes the one for the connection that wins."""
        self._connect = connect
        self._clock = clock
        self._left = deque(addresses)
        self._first = addresses[0]
        self._port = port
        self._protocol = protocol
        self._under_way: dict[Address, Attempt] = {}
        self._failures: dict[Address, Failure] = {}
        self._next_due: IDelayedCall | None = None
        self._won: Deferred[Address] = Deferred(self._cancel)

    def start(self) -> Deferred[Address]:
        """Where the winner leads, or a TargetError about the address that was tried first."""
        self._try_next()
        return self._won

    def _try_next(self) -> None:
        self._cancel_next()
        address = self._left.popleft()
        attempt = self._connect(address, self._port, self)
        if self._won.called or address in self._failures:
            return  # at once, and whatever follows has been done
        self._under_way[address] = attempt
        if self._left:
            self._next_due = self._clock.callLater(ATTEMPT_DELAY_S, self._try_next)

    def stands(self, address: Address, connection: Standing) -> None:
        """An attempt has won."""
        self._under_way.pop(address, None)
        self._stop()
        connection.carry(self._protocol())
        self._won.callback(address)

    def failed(self, address: Address, why: Failure) -> None:
        """An attempt has come to nothing."""
        self._under_way.pop(address, None)
        self._failures[address] = why
        if self._left:
            self._try_next()
        elif not self._under_way:
            # The resolver puts first what fits this host best, so its failure tells the most.
            self._won.errback(not_connected(self._first, self._port, self._failures[self._first]))

    def _cancel(self, _won: Deferred[Address]) -> None:
        self._stop()

    def _stop(self) -> None:
        self._left.clear()
        self._cancel_next()
        under_way, self._under_way = self._under_way, {}
        for attempt in under_way.values():
            attempt.stop()

    def _cancel_next(self) -> None:
        if self._next_due is not None and self._next_due.active():
            self._next_due.cancel()
        self._next_due = None
