"""Names -> addresses, as the reactor's resolver finds them: one question, with a limit."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorTime,
    IResolutionReceiver,
)
from zope.interface import implementer

from tessel.radio.interface import NameNotFoundError, NameUnansweredError

LOOKUP_TIMEOUT_S = 30.0  # a system's resolver gives up sooner, if it is well


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
