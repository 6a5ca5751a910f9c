"""The system's resolver as Twisted's reactors have one, for endpoints and agents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from twisted.internet._resolver import GAIResolver, HostResolution
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
    DaemonThreads,
    Early,
    IThreadsAndTime,
    NoAnswerError,
    SystemNames,
)

LOOKUP_THREADS: Final = 32
"""Names that are looked up at a time; the others wait for their turn."""


class IResolvingReactor(IReactorPluggableNameResolver, IThreadsAndTime):
    """What of a reactor is needed to look names up."""


def resolver_of(reactor: IResolvingReactor) -> IHostnameResolver:
    """The reactor's, if a program has given it one of its own; else a better one than Twisted's.

    Twisted's waits for name servers that are silent about IPv6, and calls every name that they do
    not find unknown. Its threads are waited for at the end of the process.
    """
    own = reactor.nameResolver
    return SystemResolver(reactor) if isinstance(own, GAIResolver) else own


@implementer(IHostnameResolver)
class SystemResolver:
    """The system's resolver, helped as tessel_service_kit.names does."""

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
        """`resolutionFailed`, if the receiver has it, is called when nobody could say."""
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
