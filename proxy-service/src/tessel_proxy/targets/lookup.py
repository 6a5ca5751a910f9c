"""Look up names with the system's resolver, in threads of their own.

Twisted's resolver shares ten threads with everything else, so ten names whose servers do not answer
would stall all devices. Here are more threads, and a fair queue for them (lookup_queue.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.targets.lookup_queue import LookupQueue, LookupTicket
from tessel_service_kit.names import Early, IThreadsAndTime, NoAnswerError, SystemNames
from tessel_service_kit.threads import DaemonThreads, forget_unstarted

LOOKUP_THREADS = 192  # started when needed; four accounts with only dead names use all of them

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
        """Call `func` in a thread, as every pool does. If no thread can start, report a failure.

        An exception from here would be raised before the caller has a Deferred.
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
    """Return a pool of at most `most` threads for `system_resolver`. The caller starts it."""
    return _LookupThreads(minthreads=0, maxthreads=most, name="lookup")


NotNowError = NoAnswerError


class Resolver(Interface):
    """A callable that looks up the addresses of a name."""

    def __call__(self, name: str) -> Deferred[tuple[str, ...] | Early]:
        """Return a Deferred with the addresses of `name` as text, empty if it has none.

        Fails with NotNowError if the look-up failed, so that this is not known.
        """


def system_resolver(reactor: IThreadsAndTime, threads: ThreadPool, helpers: ThreadPool) -> Resolver:
    """Return a resolver that calls the system's getaddrinfo in `threads`.

    If the answer is slow or doubtful, it asks for IPv4 and IPv6 separately in `helpers`.
    """
    return SystemNames(reactor, threads, helpers)


class Lookups:
    """Looks up names for devices.

    It limits the look-ups of each tunnel and each account that run at the same time; others wait
    (lookup_queue.py).
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._turns = LookupQueue()
        self._starts: dict[LookupTicket, Callable[[], None]] = {}  # of look-ups that wait
        self.under_way = 0

    def resolve(self, name: str, account: str, tunnel: int) -> Deferred[Sequence[str]]:
        """Return a Deferred with the addresses of `name` as text, each once; none if it has none.

        `account` and `tunnel` (its number) are those of the device. Fails with NotNowError if the
        look-up failed. Cancelling ends only the wait if the look-up runs already.
        """
        ticket = LookupTicket(account, tunnel)
        found: Deferred[Sequence[str]] = Deferred(lambda _: self._withdraw(ticket))

        def start() -> None:
            self.under_way += 1
            self._resolver(name).addBoth(partial(self._complete, ticket, found))

        if self._turns.enter(ticket):
            start()
        else:
            self._starts[ticket] = start
        return found

    def _withdraw(self, ticket: LookupTicket) -> None:
        # A look-up that is under way cannot be stopped: it keeps its turn until its thread is free.
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
        found: Deferred[Sequence[str]],
        result: tuple[str, ...] | Early | Failure,
    ) -> None:
        if isinstance(result, Early):  # its thread is free, and its turn ends, only when it is over
            result.over.addCallback(lambda _: self._leave(ticket))
            result = result.addresses
        else:
            self._leave(ticket)
        if found.called:  # it was cancelled
            return
        if isinstance(result, Failure):
            found.errback(result)
        else:
            found.callback(tuple(dict.fromkeys(result)))  # without repeats, in the same order
