"""Look up the addresses of a name with the system's resolver, and work around its weaknesses.

First, getaddrinfo is asked for IPv4 and IPv6 together: it knows the machine's hosts file and search
domains, and sorts the addresses. But it has two weaknesses:

- It waits for the slower family: 5 to 15 s if a name server never answers queries for IPv6.
- If the query for one family fails and the other family has no address, it reports either "unknown
  name" or "try again", depending on the order of the answers.

Therefore, following RFC 8305, section 3:

- If there is no answer after HEDGE_S, each family is also asked for separately. The first family
  that has addresses is used RESOLUTION_DELAY_S later, even if the other has not answered.
- If the answer is "no addresses", each family is asked for separately once more. The name has no
  address only if both families have none.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from socket import AF_INET, AF_INET6, AF_UNSPEC, AddressFamily
from typing import Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from tessel_service_kit.family_order import can_be_reached, in_order

HEDGE_S: Final = 0.1
"""Seconds to wait for both families before each is asked for separately. Most look-ups are done by
then and need no second query."""

RESOLUTION_DELAY_S: Final = 0.05
"""Seconds to wait for the other family when one has an address: RFC 8305, section 8."""

HELPER_THREADS: Final = 64
"""Threads that ask for one family. While all are busy, look-ups wait for getaddrinfo as usual."""

Addresses: TypeAlias = tuple[str, ...]
_Outcome: TypeAlias = "Addresses | Failure"

_NOT_THERE: Final = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)
}
"""Errors of getaddrinfo that mean: the name has no address. All others mean: the look-up failed."""


class NoAnswerError(Exception):
    """The look-up failed, so it is not known whether the name has addresses. Try again later."""


@dataclass(frozen=True, slots=True)
class Early:
    """Holds addresses that were found while getaddrinfo still runs.

    `over` fires when it has ended, and its thread is free.
    """

    addresses: Addresses
    over: Deferred[None]


class IThreadsAndTime(IReactorTime, IReactorFromThreads):
    """The parts of a reactor that a look-up needs."""


def addresses_of(name: str, family: AddressFamily) -> Addresses:
    """Look up the addresses of a name with getaddrinfo. Blocks the thread.

    Args:
        name: the name to look up.
        family: AF_INET, AF_INET6, or AF_UNSPEC for both.

    Returns:
        the addresses in the order of getaddrinfo; an empty tuple if the name has none.

    Raises:
        NoAnswerError: the look-up failed, so it is not known whether there are addresses.
    """
    try:
        found = socket.getaddrinfo(name, 0, family, socket.SOCK_STREAM)
    except UnicodeError:  # not a valid DNS name
        return ()
    except OSError as error:  # gaierror is a subclass; EAI_SYSTEM is raised as another one
        not_there = isinstance(error, socket.gaierror) and error.errno in _NOT_THERE
        if not_there or never_exists(name):
            return ()
        raise NoAnswerError(str(error)) from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def never_exists(name: str) -> bool:
    """Return whether the name ends with .invalid (RFC 6761, 6.4).

    Name servers that are offline report a failure for such names, although none exists.
    """
    return name.lower().rstrip(".").endswith(".invalid")


class SystemNames:
    """A callable that looks up a name in threads, and returns a Deferred with its addresses.

    `threads` are used to ask for both families together, `helpers` to ask for one. `ask` is a
    blocking function such as `addresses_of`.
    """

    def __init__(
        self,
        reactor: IThreadsAndTime,
        threads: ThreadPool,
        helpers: ThreadPool,
        ask: Callable[[str, AddressFamily], Addresses] = addresses_of,
    ) -> None:
        self._reactor = reactor
        self._threads = threads
        self._ask = ask
        self._helpers = _Helpers(reactor, helpers, ask)
        self._late: set[str] = set()  # names answered while getaddrinfo still runs for them

    def __call__(self, name: str) -> Deferred[Addresses | Early]:
        """Look up a name.

        Returns:
            a Deferred with the addresses in the order to try them (empty: the name has none), or
            with Early while getaddrinfo still runs. It fails with NoAnswerError.
        """
        resolution = _Resolution(self._reactor)
        if name in self._late and self._ask_each(name, resolution):
            return resolution.answer.addCallback(_as_it_is)
        over: Deferred[None] = Deferred()
        hedge = self._reactor.callLater(HEDGE_S, self._ask_each, name, resolution)
        resolution.answer.addBoth(_cancelling, hedge)
        asked = deferToThreadPool(self._reactor, self._threads, self._ask, name, AF_UNSPEC)
        asked.addBoth(partial(self._whole, name, resolution, over))
        return resolution.answer.addCallback(partial(self._early, name, over))

    def _ask_each(self, name: str, resolution: _Resolution) -> bool:
        if not self._helpers.have_room:
            return False
        for family in (AF_INET6, AF_INET):
            resolution.asks(family)
            self._helpers.ask(name, family).addBoth(partial(resolution.came, family))
        return True

    def _whole(
        self, name: str, resolution: _Resolution, over: Deferred[None], outcome: _Outcome
    ) -> None:
        self._late.discard(name)
        over.callback(None)
        nothing = not outcome or isinstance(outcome, Failure)
        if nothing and not resolution.families_asked and not never_exists(name):
            self._ask_each(name, resolution)
        resolution.whole(outcome)

    def _early(self, name: str, over: Deferred[None], found: Addresses) -> Addresses | Early:
        if over.called:
            return found
        self._late.add(name)
        return Early(found, over)


def _as_it_is(found: Addresses) -> Addresses | Early:
    return found


def _cancelling(result: _Outcome, call: IDelayedCall) -> _Outcome:
    if call.active():
        call.cancel()
    return result


class _Resolution:
    """The look-up of one name: collects answers and decides when they suffice."""

    def __init__(self, clock: IReactorTime) -> None:
        self.answer: Deferred[Addresses] = Deferred()
        self._clock = clock
        self._asked: set[AddressFamily] = set()
        self._families: dict[AddressFamily, _Outcome] = {}
        self._whole: _Outcome | None = None
        self._delay: IDelayedCall | None = None

    @property
    def families_asked(self) -> bool:
        return bool(self._asked)

    def asks(self, family: AddressFamily) -> None:
        self._asked.add(family)

    def whole(self, outcome: _Outcome) -> None:
        """Take the answer for both families."""
        self._whole = outcome
        if _addresses(outcome) or len(self._families) == len(self._asked):
            self._finish()

    def came(self, family: AddressFamily, outcome: _Outcome) -> None:
        """Take the answer for one family."""
        if self.answer.called:
            return
        self._families[family] = outcome
        if len(self._families) == len(self._asked):
            self._finish()
        elif self._delay is None and can_be_reached(_addresses(outcome)):
            self._delay = self._clock.callLater(RESOLUTION_DELAY_S, self._finish)

    def _finish(self) -> None:
        if self.answer.called:
            return
        if self._delay is not None and self._delay.active():
            self._delay.cancel()
        found = _addresses(self._whole) or in_order(
            _addresses(self._families.get(AF_INET)), _addresses(self._families.get(AF_INET6))
        )
        if found or self._failure is None:
            self.answer.callback(found)
        else:
            self.answer.errback(self._failure)

    @property
    def _failure(self) -> Failure | None:
        """Return an answer that is a failure, if any: the name may still have addresses."""
        outcomes = [*self._families.values(), *([] if self._families else [self._whole])]
        return next((each for each in outcomes if isinstance(each, Failure)), None)


def _addresses(outcome: _Outcome | None) -> Addresses:
    return () if outcome is None or isinstance(outcome, Failure) else outcome


class _Helpers:
    """Ask for one family. Equal questions share one query, so a stuck one uses one thread."""

    def __init__(
        self,
        reactor: IThreadsAndTime,
        threads: ThreadPool,
        ask: Callable[[str, AddressFamily], Addresses],
    ) -> None:
        self._reactor = reactor
        self._threads = threads
        self._ask = ask
        self._waiting: dict[tuple[str, AddressFamily], list[Deferred[Addresses]]] = {}

    @property
    def have_room(self) -> bool:
        """Whether there are two free threads, for both families of a name."""
        return len(self._waiting) <= HELPER_THREADS - 2

    def ask(self, name: str, family: AddressFamily) -> Deferred[Addresses]:
        answer: Deferred[Addresses] = Deferred()
        waiting = self._waiting.get((name, family))
        if waiting is not None:
            waiting.append(answer)
            return answer
        self._waiting[name, family] = [answer]
        asked = deferToThreadPool(self._reactor, self._threads, self._ask, name, family)
        asked.addBoth(partial(self._answered, (name, family)))
        return answer

    def _answered(self, question: tuple[str, AddressFamily], outcome: _Outcome) -> None:
        for answer in self._waiting.pop(question):
            answer.callback(outcome)  # a Failure goes to the errbacks
