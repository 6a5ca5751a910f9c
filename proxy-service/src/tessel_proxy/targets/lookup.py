"""A name -> its addresses, by the system's resolver in threads of its own.

Twisted's resolver shares ten threads with everything else, and ten dead names would stall all
devices. Here are more of them, and turns so that nobody can take them all (turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, ParamSpec, TypeVar
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from tessel_proxy.egress.addresses import Address
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.targets.turns import LookupTicket, LookupTurns
from tessel_service_kit import names
from tessel_service_kit.names import DaemonThreads, IThreadsAndTime, NoAnswerError, SystemNames
from tessel_service_kit.threads import forget_unstarted

LOOKUP_THREADS = 192  # made when needed; four accounts with nothing but dead names fill them

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _LookupThreads(DaemonThreads):
    _log = Logger()

    def callInThreadWithCallback(
        self,
        onResult: Callable[[bool, Any], object] | None,
        func: Callable[_P, _R],
        *args: _P.args,
        **kw: _P.kwargs,
    ) -> None:
        """As any pool's; that there is no thread for it is a result, too.

        Raised from here it would be known before there is anything to wait for.
        """
        try:
            super().callInThreadWithCallback(onResult, func, *args, **kw)
        except RuntimeError as error:  # "can't start new thread"
            forget_unstarted(self)
            self._log.error(
                "a name cannot be looked up: {why}",
                event="no_thread",
                error=ErrorCode.NO_THREAD.value,
                threads=len(self.threads),
                why=str(error),
            )
            if onResult is not None:
                onResult(False, Failure(NotNowError(str(error))))


def lookup_threads(most: int = LOOKUP_THREADS) -> ThreadPool:
    """A pool for `system_resolver`; not started."""
    return _LookupThreads(minthreads=0, maxthreads=most, name="lookup")


NotNowError = NoAnswerError


@dataclass(frozen=True, slots=True)
class EarlyAddresses:
    """Addresses that came while the look-up still has its thread, and thus its turn, until then."""

    addresses: Sequence[Address]
    over: Deferred[None]


class Resolver(Interface):
    """Asks for the addresses of a name: none if it has none, NotNowError if nobody can say."""

    def __call__(self, name: str) -> Deferred[Sequence[Address] | EarlyAddresses]: ...


def system_resolver(reactor: IThreadsAndTime, threads: ThreadPool, helpers: ThreadPool) -> Resolver:
    """getaddrinfo, in these threads."""
    lookup = SystemNames(reactor, threads, helpers)

    def resolve(name: str) -> Deferred[Sequence[Address] | EarlyAddresses]:
        return lookup(name).addCallback(_typed)

    return resolve


def _typed(found: names.Addresses | names.Early) -> Sequence[Address] | EarlyAddresses:
    if isinstance(found, names.Early):
        return EarlyAddresses(_addresses(found.addresses), found.over)
    return _addresses(found)


def _addresses(found: names.Addresses) -> Sequence[Address]:
    return tuple(map(ip_address, found))


class Lookups:
    """Names looked up in turn."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._turns = LookupTurns()
        self._starts: dict[LookupTicket, Callable[[], None]] = {}  # of those that wait
        self.under_way = 0

    def resolve(self, name: str, account: str, tunnel: int) -> Deferred[Sequence[Address]]:
        """The addresses of the name, or as the resolver fails. May be cancelled."""
        ticket = LookupTicket(account, tunnel)
        found: Deferred[Sequence[Address]] = Deferred(lambda _: self._withdraw(ticket))

        def start() -> None:
            self.under_way += 1
            self._resolver(name).addBoth(partial(self._complete, ticket, found))

        if self._turns.enter(ticket):
            start()
        else:
            self._starts[ticket] = start
        return found

    def _withdraw(self, ticket: LookupTicket) -> None:
        # One that is under way cannot be stopped: it keeps its turn until its thread is back.
        if self._starts.pop(ticket, None) is not None:
            self._turns.withdraw(ticket)

    def _leave(self, ticket: LookupTicket) -> None:
        self.under_way -= 1
        follower = self._turns.leave(ticket)
        if follower is not None:
            self._starts.pop(follower)()

    def _complete(
        self,
        ticket: LookupTicket,
        found: Deferred[Sequence[Address]],
        result: Sequence[Address] | EarlyAddresses | Failure,
    ) -> None:
        if isinstance(result, EarlyAddresses):
            result.over.addCallback(lambda _: self._leave(ticket))
            result = result.addresses
        else:
            self._leave(ticket)
        if found.called:  # it was cancelled
            return
        if isinstance(result, Failure):
            found.errback(result)
        else:
            found.callback(tuple(dict.fromkeys(result)))  # each once, in the resolver's order
