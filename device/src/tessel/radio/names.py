"""Names -> addresses, as the reactor's resolver finds them: one question, with a limit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet._resolver import GAIResolver, HostResolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from servicekit.names import (
    HELPER_THREADS,
    Addresses,
    DaemonThreads,
    Early,
    IThreadsAndTime,
    NoAnswerError,
    SystemNames,
)
from tessel.radio.interface import NameNotFoundError, NameUnansweredError

LOOKUP_THREADS = 32
"""Names that one program may look up at a time; the others wait for their turn."""

LOOKUP_TIMEOUT_S = 30.0  # a system's resolver gives up sooner, if it is well


class IResolvingReactor(IReactorPluggableNameResolver, IThreadsAndTime):
    """What of a reactor is needed to look names up."""


def asked(name: str, resolver: IHostnameResolver, clock: IReactorTime) -> Deferred[Sequence[str]]:
    """The addresses of a name, each once, best first."""
    if not _can_be_asked(name):
        return fail(NameNotFoundError(f"{name!r} is no name"))
    question = _Question(name)
    resolver.resolveHostName(question, name)
    return question.answer.addTimeout(LOOKUP_TIMEOUT_S, clock, lambda *_: _unanswered(name))


def _can_be_asked(name: str) -> bool:
    """What the system's resolver would raise on ends in its thread, and is never answered."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return "\0" not in name


@implementer(IResolutionReceiver)
class _Question:
    """Gathers what the reactor's resolver finds for a name.

    The thread that asks cannot be stopped (Twisted's `HostResolution.cancel` raises); so whoever
    gives up simply hears nothing more, and what the thread says later is passed over.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[str] = []
        self.answer: Deferred[Sequence[str]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Part of Twisted's interface; it could only be cancelled, and cannot."""

    def addressResolved(self, address: IAddress) -> None:
        if self.answer.called:
            return  # given up
        if isinstance(address, IPv4Address | IPv6Address):
            self._found.append(address.host)

    def resolutionFailed(self) -> None:
        """Not part of Twisted's interface: nobody could say. Called in place of the next."""
        if not self.answer.called:
            self.answer.errback(NameUnansweredError(f"nobody can say where {self._name} is"))

    def resolutionComplete(self) -> None:
        if self.answer.called:
            return  # given up
        if self._found:
            self.answer.callback(list(dict.fromkeys(self._found)))
        else:
            self.answer.errback(NameNotFoundError(f"no address for {self._name}"))


def _unanswered(name: str) -> Sequence[str]:
    raise NameUnansweredError(f"no answer for {name} within {LOOKUP_TIMEOUT_S:g} s")


def resolver_of(reactor: IResolvingReactor) -> IHostnameResolver:
    """The reactor's, if a program has given it one of its own; else a better one than Twisted's.

    Twisted's waits for name servers that are silent about IPv6, and calls every name that they do
    not find unknown. Its threads are waited for at the end of the process.
    """
    own = reactor.nameResolver
    return SystemResolver(reactor) if isinstance(own, GAIResolver) else own


@implementer(IHostnameResolver)
class SystemResolver:
    """The system's resolver (servicekit.names), as Twisted's reactors have one."""

    def __init__(self, reactor: IThreadsAndTime) -> None:
        threads = DaemonThreads(0, LOOKUP_THREADS, "lookup")
        helpers = DaemonThreads(0, HELPER_THREADS, "lookup")
        threads.start()
        helpers.start()
        self._lookup = SystemNames(reactor, threads, helpers)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """`resolutionFailed`, if the receiver has it, says that nobody could say."""
        del addressTypes, transportSemantics  # nobody here asks for less
        resolution = HostResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        self._lookup(hostName).addCallbacks(
            partial(_tell_found, resolutionReceiver, portNumber),
            partial(_tell_failed, resolutionReceiver),
        )
        return resolution


def _tell_found(receiver: IResolutionReceiver, port: int, found: Addresses | Early) -> None:
    for address in found.addresses if isinstance(found, Early) else found:
        kind = IPv6Address if ":" in address else IPv4Address
        receiver.addressResolved(kind("TCP", address, port))
    receiver.resolutionComplete()


def _tell_failed(receiver: IResolutionReceiver, why: Failure) -> None:
    why.trap(NoAnswerError)
    getattr(receiver, "resolutionFailed", receiver.resolutionComplete)()
