"""A name -> its addresses, by the system's resolver in threads of its own.

Twisted's resolver shares ten threads with everything else, and ten dead names would stall all
devices. Here are more of them, and turns so that nobody can take them all (turns.py).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from twisted.internet._resolver import GAIResolver  # where Twisted keeps it: it has no other name
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorThreads,
    IResolutionReceiver,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from tessel_proxy.egress import Address
from tessel_proxy.numbers import Number
from tessel_proxy.turns import Ticket, Turns

LOOKUP_THREADS = 192  # made when needed; four accounts with nothing but dead names fill them

_P = ParamSpec("_P")
_R = TypeVar("_R")
_GetAddrInfo = Callable[..., Sequence[Any]]  # as socket.getaddrinfo, with what it is to return


class _LookupThread(Thread):
    """One that the process does not wait for: a look-up may be stuck when it ends."""

    daemon = True


class _LookupThreads(ThreadPool):
    threadFactory = _LookupThread
    _log = Logger()

    def callInThreadWithCallback(
        self,
        onResult: Callable[[bool, Any], object] | None,
        func: Callable[_P, _R],
        *args: _P.args,
        **kw: _P.kwargs,
    ) -> None:
        """As any pool's; that there is no thread for it is a result, too.

        Raised from here it would be nobody's: GAIResolver does not wait for its own coroutine.
        """
        try:
            super().callInThreadWithCallback(onResult, func, *args, **kw)
        except RuntimeError as error:  # "can't start new thread"
            self._forget_those_not_started()
            self._log.error(
                "a name cannot be looked up: {why}",
                event="no_thread",
                error=Number.NO_THREAD.value,
                threads=len(self.threads),
                why=str(error),
            )
            if onResult is not None:
                onResult(False, Failure(socket.gaierror(socket.EAI_AGAIN, str(error))))

    def _forget_those_not_started(self) -> None:
        # The pool counts on all that it has made, and could not join these when it stops.
        self.threads[:] = [each for each in self.threads if each.ident is not None]


def lookup_threads() -> ThreadPool:
    """The pool for `system_resolver`; not started."""
    return _LookupThreads(minthreads=0, maxthreads=LOOKUP_THREADS, name="lookup")


def system_resolver(reactor: IReactorThreads, threads: ThreadPool) -> IHostnameResolver:
    """getaddrinfo, in these threads."""
    return GAIResolver(reactor, lambda: threads, _with_one_kind_of_error(socket.getaddrinfo))


def _with_one_kind_of_error(getaddrinfo: _GetAddrInfo) -> _GetAddrInfo:
    """GAIResolver completes a look-up after gaierror alone; others would hold a turn for ever."""

    def asked(*args: object) -> Sequence[Any]:
        try:
            return getaddrinfo(*args)
        except (OSError, UnicodeError) as error:  # EAI_SYSTEM comes as OSError
            raise socket.gaierror(str(error)) from error

    return asked


class Lookups:
    """Names looked up in turn."""

    def __init__(self, resolver: IHostnameResolver) -> None:
        self._resolver = resolver
        self._turns = Turns()
        self._starts: dict[Ticket, Callable[[], None]] = {}  # of those that wait
        self.under_way = 0

    def resolve(self, name: str, account: str, tunnel: int) -> Deferred[Sequence[Address]]:
        """The addresses of the name, none if it has none. May be cancelled."""
        ticket = Ticket(account, tunnel)
        found: Deferred[Sequence[Address]] = Deferred(lambda _: self._withdraw(ticket))

        def start() -> None:
            self.under_way += 1
            receiver = _Receiver(partial(self._complete, ticket, found))
            self._resolver.resolveHostName(receiver, name)

        if self._turns.enter(ticket):
            start()
        else:
            self._starts[ticket] = start
        return found

    def _withdraw(self, ticket: Ticket) -> None:
        # One that is under way cannot be stopped: it keeps its turn until its thread is back.
        if self._starts.pop(ticket, None) is not None:
            self._turns.withdraw(ticket)

    def _complete(
        self,
        ticket: Ticket,
        found: Deferred[Sequence[Address]],
        addresses: Sequence[Address],
    ) -> None:
        self.under_way -= 1
        follower = self._turns.leave(ticket)
        if follower is not None:
            self._starts.pop(follower)()
        if not found.called:  # it may have been cancelled
            found.callback(addresses)


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects one look-up's answer."""

    def __init__(self, complete: Callable[[Sequence[Address]], None]) -> None:
        self._complete = complete
        self._addresses: dict[Address, None] = {}  # each once, in the resolver's order

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing to keep: it cannot be cancelled."""

    def addressResolved(self, address: IAddress) -> None:
        host: str = address.host  # type: ignore[attr-defined] # IPv4Address or IPv6Address
        self._addresses[ip_address(host)] = None

    def resolutionComplete(self) -> None:
        self._complete(tuple(self._addresses))
