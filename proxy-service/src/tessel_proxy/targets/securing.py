"""TLS with a target, over a new TCP connection."""

from __future__ import annotations

from collections.abc import Awaitable

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
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


async def end_of_handshake(
    secured: Awaitable[None], verification: TargetVerification, address: str, port: int
) -> None:
    """Wait for the end of a handshake with the target at `address` and `port`.

    Raises TargetError if it failed or was not valid.
    """
    try:
        await secured
    except SSL.Error as why:
        failed = node_errors.tls_failed(address, port, openssl_reasons(why) or "TLS failed")
        raise verification.fault or failed from why
    except (error.ConnectionLost, error.ConnectionDone):
        raise node_errors.tls_cut() from None


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
