"""Finds out whether a program still uses the reactor directly.

`tessel.node` counts its own handles. A program may also use Twisted itself, and a reactor does not
report when its last timer or socket is gone. So the reactor is inspected. Timers and sockets of the
runtime do not count: an idle tunnel must not keep a program alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from weakref import WeakSet

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer


class WatchedReactor(Protocol):
    """The parts of a Twisted reactor that Liveness inspects."""

    threadpool: ThreadPool | None

    def getReaders(self) -> Sequence[object]: ...
    def getWriters(self) -> Sequence[object]: ...
    def getDelayedCalls(self) -> Sequence[IDelayedCall]: ...


@implementer(IReactorTime)
class OwnClock:
    """A clock for the runtime's own timers, which distinguishes them from the program's timers."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: WeakSet[IDelayedCall] = WeakSet()

    def seconds(self) -> float:
        """Return the time of the reactor's clock in seconds."""
        return self._clock.seconds()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - the interface names it so
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        """Call a function after `delay` seconds, and record the timer as one of the runtime."""
        delayed = self._clock.callLater(delay, callable, *args, **kw)
        self._calls.add(delayed)
        return delayed

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """Return the runtime's pending timers, without those of the program."""
        return [call for call in self._clock.getDelayedCalls() if call in self._calls]

    def made(self, call: IDelayedCall) -> bool:
        """Return whether this clock made a timer, so that the timer is not the program's."""
        return call in self._calls


class Liveness:
    """Finds timers, sockets and busy threads that a program has in the reactor."""

    def __init__(self, reactor: WatchedReactor, clock: OwnClock) -> None:
        self._reactor = reactor
        self._clock = clock
        self._before = frozenset(self._selectables())  # the reactor's own wakers

    def busy(self, owns: Callable[[object], bool]) -> bool:
        """Return whether the program has timers, sockets or busy threads in the reactor.

        `owns` returns True for the radio's sockets, which do not count.
        """
        return self._waits() or self._has_open(owns) or self._has_threads()

    def _waits(self) -> bool:
        return any(not self._clock.made(call) for call in self._reactor.getDelayedCalls())

    def _has_open(self, owns: Callable[[object], bool]) -> bool:
        return any(
            selectable not in self._before and not owns(selectable)
            for selectable in self._selectables()
        )

    def _has_threads(self) -> bool:
        pool = self._reactor.threadpool
        return pool is not None and bool(pool.working)

    def _selectables(self) -> Iterable[object]:
        return [*self._reactor.getReaders(), *self._reactor.getWriters()]
