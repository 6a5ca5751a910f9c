"""Connect to one of several addresses: the first that answers wins (Happy Eyeballs, RFC 8305).

Twisted's HostnameEndpoint does not mix the address families, waits for its delay although an
attempt has failed, and does not report which address failed in which way. `Race` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure

ATTEMPT_DELAY_S: Final = 0.25
"""Seconds between the starts of two attempts: RFC 8305, section 8."""

MAX_ADDRESSES: Final = 16
"""Addresses to try of one name. The owner of a name chooses how many it has, and could make a
client try thousands."""

A = TypeVar("A")
C = TypeVar("C")
A_contra = TypeVar("A_contra", contravariant=True)
C_contra = TypeVar("C_contra", contravariant=True)


class Attempt(Protocol):
    """A connection attempt that has begun."""

    def stop(self) -> None:
        """Give up: the attempt reports nothing to its listener from now on."""


class AttemptListener(Protocol[A_contra, C_contra]):
    """Receives the one result of a connection attempt.

    Either `connected` is called with the connection, or `failed` with the reason `why`; possibly
    before the call that begins the attempt returns.
    """

    def connected(self, address: A_contra, connection: C_contra) -> object: ...
    def failed(self, address: A_contra, why: Failure) -> None: ...


def interleaved(addresses: Iterable[A], family: Callable[[A], Hashable]) -> list[A]:
    """Return the first MAX_ADDRESSES addresses, families alternating (RFC 8305, section 4).

    `family` returns the family of an address. The family of the first address goes first, because
    the resolver prefers it. A repeated address is returned once, because results of attempts are
    matched by their address.
    """
    by_family: dict[Hashable, list[A]] = {}
    for address in dict.fromkeys(addresses):
        by_family.setdefault(family(address), []).append(address)
    rows = zip_longest(*by_family.values())
    return [address for row in rows for address in row if address is not None][:MAX_ADDRESSES]


class Race(Generic[A, C]):
    """An Attempt to several addresses: the first that connects wins, and the others are stopped.

    An attempt begins ATTEMPT_DELAY_S seconds after the previous one, or at once when one has
    failed. When all have failed, the listener gets the failure of the first address, because the
    resolver puts the best address first.
    """

    def __init__(
        self,
        addresses: Sequence[A],
        clock: IReactorTime,
        begin: Callable[[A, AttemptListener[A, C]], Attempt],
        listener: AttemptListener[A, C],
    ) -> None:
        """`addresses`: at least one, each once, in the order to try them.

        `begin` begins an attempt. `listener` gets the result of the race.
        """
        self._left = deque(addresses)
        self._first = addresses[0]
        self._clock = clock
        self._begin = begin
        self._listener = listener
        self._under_way: dict[A, Attempt] = {}
        self._failures: dict[A, Failure] = {}
        self._next_due: IDelayedCall | None = None
        self._is_over = False

    def start(self) -> None:
        """Begin the first attempt. The race may end inside this call."""
        self._try_next()

    def _try_next(self) -> None:
        self._cancel_next()
        address = self._left.popleft()
        attempt = self._begin(address, self)
        if self._is_over or address in self._failures:
            return  # the attempt has ended inside the call, and its result has been handled
        self._under_way[address] = attempt
        if self._left:
            self._next_due = self._clock.callLater(ATTEMPT_DELAY_S, self._try_next)

    def connected(self, address: A, connection: C) -> None:
        """Called when an attempt has connected: stops the other attempts and reports the result."""
        self._under_way.pop(address, None)
        self.stop()
        self._listener.connected(address, connection)

    def failed(self, address: A, why: Failure) -> None:
        """Called when an attempt has failed: begins the next one.

        If none is left or under way, the race fails.
        """
        self._under_way.pop(address, None)
        self._failures[address] = why
        if self._left:
            self._try_next()
        elif not self._under_way:
            self._listener.failed(self._first, self._failures[self._first])

    def stop(self) -> None:
        """Stop all attempts. The listener is not notified."""
        self._is_over = True
        self._left.clear()
        self._cancel_next()
        under_way, self._under_way = self._under_way, {}
        for attempt in under_way.values():
            attempt.stop()

    def _cancel_next(self) -> None:
        if self._next_due is not None and self._next_due.active():
            self._next_due.cancel()
        self._next_due = None


def race_dials(
    dials: Sequence[Callable[[], Deferred[IProtocol]]], clock: IReactorTime
) -> Deferred[IProtocol]:
    """Call `dials` as a Race, and return a Deferred with the first protocol that connects.

    Each call begins one connection attempt and returns its Deferred, which is cancelled to stop the
    attempt.
    """

    def begin(number: int, listener: AttemptListener[int, IProtocol]) -> Attempt:
        return _Dial(number, dials[number](), listener)

    won: Deferred[IProtocol] = Deferred(lambda _: race.stop())
    race = Race(range(len(dials)), clock, begin, _Result(won))
    race.start()
    return won


class _Result:
    """The listener of a race whose result is a Deferred."""

    def __init__(self, won: Deferred[IProtocol]) -> None:
        self._won = won

    def connected(self, _number: int, protocol: IProtocol) -> None:
        self._won.callback(protocol)

    def failed(self, _number: int, why: Failure) -> None:
        self._won.errback(why)


class _Dial:
    """An Attempt that is a Deferred."""

    def __init__(
        self, number: int, dial: Deferred[IProtocol], listener: AttemptListener[int, IProtocol]
    ) -> None:
        self._stopped = False
        self._dial = dial
        dial.addCallbacks(
            partial(self._connected, number, listener), partial(self._failed, number, listener)
        )

    def _connected(
        self, number: int, listener: AttemptListener[int, IProtocol], protocol: IProtocol
    ) -> None:
        if not self._stopped:
            listener.connected(number, protocol)

    def _failed(
        self, number: int, listener: AttemptListener[int, IProtocol], failure: Failure
    ) -> None:
        if not self._stopped:
            listener.failed(number, failure)

    def stop(self) -> None:
        self._stopped = True
        self._dial.cancel()
