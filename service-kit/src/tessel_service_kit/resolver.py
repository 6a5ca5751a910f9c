"""The look-up of tessel_service_kit.names as a resolver for Twisted's endpoints and agents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NoReturn

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel_service_kit.names import (
    HELPER_THREADS,
    Addresses,
    Early,
    IThreadsAndTime,
    NoAnswerError,
    SystemNames,
)
from tessel_service_kit.threads import DaemonThreads

LOOKUP_THREADS: Final = 32
"""Number of names that are looked up at the same time; further ones wait."""

_TWISTEDS_DEFAULT: Final = "GAIResolver"
"""Class of the resolver that Twisted gives each reactor. It is private there, hence by name."""


class IResolvingReactor(IReactorPluggableNameResolver, IThreadsAndTime):
    """The parts of a reactor that the look-up of names needs."""


def resolver_of(reactor: IResolvingReactor) -> IHostnameResolver:
    """Return the resolver of names to use with `reactor`.

    A resolver that a program has installed is kept. Twisted's default is replaced by a
    SystemResolver: Twisted's waits for name servers that do not answer queries for IPv6, reports
    every failed look-up as an unknown name, and its threads delay the end of the process.
    """
    installed = reactor.nameResolver
    is_default = type(installed).__name__ == _TWISTEDS_DEFAULT
    return SystemResolver(reactor) if is_default else installed


@implementer(IHostResolution)
class _Resolution:
    """One look-up. Twisted's class for this is private."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> NoReturn:
        """Not supported, as in Twisted: getaddrinfo cannot be interrupted."""
        raise NotImplementedError


@implementer(IHostnameResolver)
class SystemResolver:
    """A Twisted resolver that looks names up as tessel_service_kit.names does."""

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
        """Look up `hostName` for a receiver, as IHostnameResolver says.

        Always for TCP and both families.

        If the look-up fails and the receiver has a method `resolutionFailed`, this method is called
        instead of `resolutionComplete`: the name may exist.
        """
        del addressTypes, transportSemantics  # all callers want both families over TCP
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        self._lookup(hostName).addCallbacks(
            partial(_report_found, resolutionReceiver, portNumber),
            partial(_report_failed, resolutionReceiver),
        )
        return resolution


def _report_found(receiver: IResolutionReceiver, port: int, found: Addresses | Early) -> None:
    for address in found.addresses if isinstance(found, Early) else found:
        kind = IPv6Address if ":" in address else IPv4Address
        receiver.addressResolved(kind("TCP", address, port))
    receiver.resolutionComplete()


def _report_failed(receiver: IResolutionReceiver, why: Failure) -> None:
    why.trap(NoAnswerError)
    getattr(receiver, "resolutionFailed", receiver.resolutionComplete)()
