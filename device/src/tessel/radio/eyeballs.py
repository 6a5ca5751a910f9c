"""Dialling several addresses at once (RFC 8305): the first to stand wins, the rest give up."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure

STAGGER_S = 0.25  # RFC 8305, section 5: the recommended delay between two attempts


def interleaved(addresses: Iterable[str]) -> list[str]:
    """The families in turn, the family of the first address first (RFC 8305, section 4)."""
    by_family: dict[int, list[str]] = {}
    for address in dict.fromkeys(addresses):
        by_family.setdefault(ipaddress.ip_address(address).version, []).append(address)
    rows = zip_longest(*by_family.values())
    return [address for row in rows for address in row if address is not None]


def race(
    dials: Sequence[Callable[[], Deferred[IProtocol]]], clock: IReactorTime
) -> Deferred[IProtocol]:
    """Start the dials one by one, the next when one failed or STAGGER_S has passed.

    Fails with what the first of them failed with: it was the best address.
    """
    return _Race(dials, clock).result


class _Race:
    def __init__(
        self, dials: Sequence[Callable[[], Deferred[IProtocol]]], clock: IReactorTime
    ) -> None:
        self._waiting = list(dials)
        self._clock = clock
        self._running: dict[int, Deferred[IProtocol]] = {}
        self._failures: dict[int, Failure] = {}
        self._started = 0
        self._over = False  # won, or told to give up
        self._timer: IDelayedCall | None = None
        self.result: Deferred[IProtocol] = Deferred(lambda _: self._stop())
        self._start_next()

    def _start_next(self) -> None:
        self._stop_timer()
        if not self._waiting:
            return
        number, self._started = self._started, self._started + 1
        dial = self._waiting.pop(0)()
        self._running[number] = dial
        if self._waiting:
            self._timer = self._clock.callLater(STAGGER_S, self._staggered)
        dial.addCallbacks(self._won, self._failed, callbackArgs=(number,), errbackArgs=(number,))

    def _staggered(self) -> None:
        self._timer = None
        self._start_next()

    def _won(self, protocol: IProtocol, number: int) -> None:
        del self._running[number]
        self._stop()
        self.result.callback(protocol)

    def _failed(self, failure: Failure, number: int) -> None:
        del self._running[number]
        if self._over:
            return
        self._failures[number] = failure
        if self._waiting:
            self._start_next()
        elif not self._running:
            self.result.errback(self._failures[min(self._failures)])

    def _stop(self) -> None:
        self._over = True
        self._stop_timer()
        self._waiting.clear()
        for dial in list(self._running.values()):
            dial.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
