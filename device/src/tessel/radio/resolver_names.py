"""Looks names up with the resolver of a Twisted reactor, with a timeout."""

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

LOOKUP_TIMEOUT_S = 30.0
"""Seconds until a look-up fails. A healthy resolver of the system gives up sooner."""


def asked(name: str, resolver: IHostnameResolver, clock: IReactorTime) -> Deferred[Sequence[str]]:
    """Look a name up with `resolver`; fires with its addresses, each once, best first.

    Fails with NameNotFoundError if the name is invalid or has no address, and with
    NameUnansweredError if no name server answers, at the latest after LOOKUP_TIMEOUT_S.
    """
    if not _can_be_asked(name):
        return fail(NameNotFoundError(f"{name!r} is not a valid name"))
    question = _Question(name)
    resolver.resolveHostName(question, name)
    return question.answer.addTimeout(LOOKUP_TIMEOUT_S, clock, lambda *_: _unanswered(name))


def _can_be_asked(name: str) -> bool:
    """False for names on which the system's resolver raises in its thread, without an answer."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return "\0" not in name


@implementer(IResolutionReceiver)
class _Question:
    """Collects the addresses that the reactor's resolver finds for a name.

    The resolver's thread cannot be stopped (Twisted's `HostResolution.cancel` raises). After a
    timeout or a cancel its later answers are ignored.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[str] = []
        self.answer: Deferred[Sequence[str]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Do nothing: the argument is only good to cancel the look-up, which is not possible."""

    def addressResolved(self, address: IAddress) -> None:
        if self.answer.called:
            return  # given up
        if isinstance(address, IPv4Address | IPv6Address):
            self._found.append(address.host)

    def resolutionFailed(self) -> None:
        """Fail: no name server could answer. Called instead of `resolutionComplete`, by
        `tessel_service_kit.resolver`; it is not part of Twisted's interface.
        """
        if not self.answer.called:
            self.answer.errback(
                NameUnansweredError(f"no name server could answer for {self._name}")
            )

    def resolutionComplete(self) -> None:
        if self.answer.called:
            return  # given up
        if self._found:
            self.answer.callback(list(dict.fromkeys(self._found)))
        else:
            self.answer.errback(NameNotFoundError(f"no address for {self._name}"))


def _unanswered(name: str) -> Sequence[str]:
    raise NameUnansweredError(f"no answer for {name} within {LOOKUP_TIMEOUT_S:g} s")
