"""TLS with a target, over a new TCP connection."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.tx.endings import openssl_reasons
from tessel_proxy.targets import node_errors
from tessel_proxy.targets.connecting import NewConnection
from tessel_proxy.targets.layered import SecureFactory, SecureTarget
from tessel_proxy.targets.trust import TargetVerification


def begin_tls(
    connection: NewConnection,
    target: SecureTarget,
    verification: TargetVerification,
    clock: IReactorTime,
) -> None:
    """Begin the TLS handshake of `target` over `connection`."""
    factory = SecureFactory(verification, True, _Built(target), clock)
    connection.carry(factory.buildProtocol(None))


def handshake_failure(
    why: Failure, verification: TargetVerification, address: str, port: int
) -> Failure:
    """Return the failure to report for a TLS handshake that failed with `why`.

    It is a TargetError if the handshake failed, was not valid, or the connection was lost.
    """
    if isinstance(why.value, SSL.Error):
        reasons = openssl_reasons(why.value) or "TLS failed"
        return Failure(verification.fault or node_errors.tls_failed(address, port, reasons))
    if why.check(error.ConnectionLost, error.ConnectionDone):
        return Failure(node_errors.tls_cut())
    return why


@implementer(IProtocolFactory)
class _Built:
    """A factory for one protocol that exists already. It lives as long, so it is small."""

    __slots__ = ("_target",)

    def __init__(self, target: SecureTarget) -> None:
        self._target = target

    def buildProtocol(self, addr: IAddress) -> SecureTarget:  # noqa: ARG002 -- the interface's
        return self._target

    def doStart(self) -> None:
        """Do nothing; part of the interface of Twisted factories."""

    def doStop(self) -> None:
        """Do nothing; part of the interface of Twisted factories."""
