"""A name -> its addresses, by the system's resolver, whose shortcomings cost no connection.

The resolver is asked for both families at once, as ever: it knows the files and search domains of
the machine, and the best order of its answers. But it waits for the slower family, for 5 to 15 s if
a name server never answers about IPv6; and when the name servers cannot say about one family, and
the other has no address, it calls the name unknown, or the other way round, as the answers come.
So, RFC 8305, section 3:

- An answer that is not there after HEDGE_S is not waited for: each family is asked for by itself,
  and the first that has addresses is enough, RESOLUTION_DELAY_S later.
- A name "without addresses" is asked about once more, each family by itself. Only if both say so
  it has none.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, IPv6Network
from socket import AF_INET, AF_INET6, AF_UNSPEC, AddressFamily
from threading import Thread
from typing import Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

HEDGE_S: Final = 0.1
"""How long both families are waited for before each is asked for by itself. Most names are known
by then, and cost no second question."""

RESOLUTION_DELAY_S: Final = 0.05
"""How long the other family is waited for when one has an address: RFC 8305, section 8."""

HELPER_THREADS: Final = 64
"""That ask for one family alone. While all are busy names take as long as the system takes."""

Addresses: TypeAlias = tuple[str, ...]
_Outcome: TypeAlias = "Addresses | Failure"

_NOT_THERE: Final = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)
}
"""What getaddrinfo says of a name that has no address. Everything else says nothing of the name."""


class NoAnswerError(Exception):
    """Whether there is such a name, and where, nobody could say this time."""


@dataclass(frozen=True, slots=True)
class Early:
    """Addresses that came before the system's resolver was done: `over` fires when it is."""

    addresses: Addresses
    over: Deferred[None]


class IThreadsAndTime(IReactorTime, IReactorFromThreads):
    """What of a reactor is needed."""


class DaemonThread(Thread):
    """One that the process does not wait for: a look-up may be stuck when it ends."""

    daemon = True


class DaemonThreads(ThreadPool):
    """A pool of them."""

    threadFactory = DaemonThread


def addresses_of(name: str, family: AddressFamily) -> Addresses:
    """Blocking. None if the name has no address; raises NoAnswerError if nobody can say."""
    try:
        found = socket.getaddrinfo(name, 0, family, socket.SOCK_STREAM)
    except UnicodeError:  # no name of the DNS
        return ()
    except OSError as error:  # gaierror is one, and EAI_SYSTEM comes as another
        not_there = isinstance(error, socket.gaierror) and error.errno in _NOT_THERE
        if not_there or never_exists(name):
            return ()
        raise NoAnswerError(str(error)) from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def never_exists(name: str) -> bool:
    """RFC 6761, 6.4. Servers that cannot ask anybody fail where they could say so."""
    return name.lower().rstrip(".").endswith(".invalid")


class SystemNames:
    """Looks names up, each in one of `threads`, with the help of some `helpers`."""

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
        self._late: set[str] = set()  # answered early, while the system's resolver still waits

    def __call__(self, name: str) -> Deferred[Addresses | Early]:
        """The addresses in the order to try them, none if it has none. Fails: NoAnswerError."""
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
    """One name: what has come of its families, and when that is enough."""

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
        """What the system's resolver says of both families."""
        self._whole = outcome
        if _addresses(outcome) or len(self._families) == len(self._asked):
            self._finish()

    def came(self, family: AddressFamily, outcome: _Outcome) -> None:
        """What it says of one."""
        if self.answer.called:
            return
        self._families[family] = outcome
        if len(self._families) == len(self._asked):
            self._finish()
        elif self._delay is None and _can_be_reached(outcome):
            self._delay = self._clock.callLater(RESOLUTION_DELAY_S, self._finish)

    def _finish(self) -> None:
        if self.answer.called:
            return
        if self._delay is not None and self._delay.active():
            self._delay.cancel()
        found = _addresses(self._whole) or _in_order(
            _addresses(self._families.get(AF_INET)), _addresses(self._families.get(AF_INET6))
        )
        if found or self._failure is None:
            self.answer.callback(found)
        else:
            self.answer.errback(self._failure)

    @property
    def _failure(self) -> Failure | None:
        """One of them says nothing of the name, so that it may have an address."""
        outcomes = [*self._families.values(), *([] if self._families else [self._whole])]
        return next((each for each in outcomes if isinstance(each, Failure)), None)


def _addresses(outcome: _Outcome | None) -> Addresses:
    return () if outcome is None or isinstance(outcome, Failure) else outcome


def _can_be_reached(outcome: _Outcome) -> bool:
    found = _addresses(outcome)
    return bool(found) and (":" not in found[0] or source_for(found[0]) is not None)


class _Helpers:
    """Ask for one family, each name once at a time: a stuck question serves all who ask it."""

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
        """For both families of a name."""
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


# --- which family first


_SPECIAL: Final = tuple(
    IPv6Network(each)
    for each in ("fc00::/7", "fec0::/10", "2002::/16", "2001::/32", "3ffe::/16", "::/96")
)
"""Addresses that RFC 6724's table puts behind IPv4, and sources that are for such addresses."""


def source_for(address: str) -> str | None:
    """The address of this machine that the system would use to reach that one; nothing is sent."""
    try:
        with socket.socket(AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:  # no way there, or no IPv6 at all
        return None


def _in_order(four: Addresses, six: Addresses) -> Addresses:
    return (*six, *four) if four and six and _is_before_ipv4(six[0]) else (*four, *six)


def _is_before_ipv4(address: str) -> bool:
    source = source_for(address)
    if source is None or IPv6Address(address).is_loopback:
        return source is not None
    return not any(IPv6Address(each) in net for each in (address, source) for net in _SPECIAL)
