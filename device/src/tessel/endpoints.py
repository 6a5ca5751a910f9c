"""Twisted endpoints over the device's network, for any protocol and for web agents.

    endpoint = TesselEndpoint("example.com", 7)
    agent = Agent.usingEndpointFactory(reactor, TesselAgentEndpoints())

Connections go directly or through the tunnel, as those of `net`, `tls`, `http` and `https`. An open
connection keeps the program alive, as a socket does. `tessel.agent` makes a complete web agent.
"""

from contextvars import ContextVar
from typing import cast

from twisted.internet import error
from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import directlyProvides, implementer, providedBy

from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions
from tessel.node.base import runtime
from tessel.node.base.handles import Handle
from tessel.source_location import here


class ConnectFailedError(NodeError, error.ConnectError):
    """A connection of a TesselEndpoint failed. `code` is Node's error code, such as "ECONNRESET".

    The class is also Twisted's ConnectError. Its subclasses are also Twisted's errors of the same
    kind.
    """

    def __init__(self, message: str, code: str) -> None:
        error.ConnectError.__init__(self, None, message)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])  # Twisted's method adds a sentence before it


class ConnectRefusedError(ConnectFailedError, error.ConnectionRefusedError):
    """The target refused the connection (ECONNREFUSED)."""


class ConnectTimedOutError(ConnectFailedError, error.TimeoutError):
    """The target did not answer in time (ETIMEDOUT)."""


class NoRouteError(ConnectFailedError, error.NoRouteError):
    """The target or the network cannot be reached (EHOSTUNREACH, ENETUNREACH)."""


class UnknownHostError(ConnectFailedError, error.UnknownHostError):
    """The lookup of the target's name found no address (ENOTFOUND) or got no answer (EAI_AGAIN)."""


# The reason that is being passed to a protocol's connectionLost. Twisted's web client drops it for
# a body that ends with its connection, so that a cut body looks complete.
ending: ContextVar[Failure | None] = ContextVar("ending", default=None)

_BY_CODE: dict[str, type[ConnectFailedError]] = {
    "ECONNREFUSED": ConnectRefusedError,
    "ETIMEDOUT": ConnectTimedOutError,
    "EHOSTUNREACH": NoRouteError,
    "ENETUNREACH": NoRouteError,
    "ENOTFOUND": UnknownHostError,
    "EAI_AGAIN": UnknownHostError,
}


@implementer(IStreamClientEndpoint)
class TesselEndpoint:
    """A Twisted client endpoint that connects over the device's network, with or without TLS."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool | TlsOptions = False,
        proxy: bool | None = None,
        counted: bool = True,
    ) -> None:
        """Create an endpoint; it connects when `connect` is called.

        Args:
            host: name or address of the target.
            port: port of the target.
            tls: True, or the options of TLS: connect over TLS.
            proxy: False: do not use the tunnel.
            counted: False: an established connection does not keep the program alive.

        """
        self._target = Target(host, port)
        self._tls = TlsOptions() if tls is True else tls
        self._proxy = proxy is not False
        self._counted = counted

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the target; the Deferred fires with the protocol that the factory made.

        The Deferred fails with ConnectFailedError if the connection fails. Cancelling it stops the
        attempt.
        """
        handle = runtime.current().handles.open(f"connection to {self._target}")
        return Deferred.fromCoroutine(self._connected(protocolFactory, handle, here()))

    async def _connected(
        self, factory: IProtocolFactory, handle: Handle, opened_at: str | None
    ) -> IProtocol:
        factory.doStart()
        try:
            relay = await self._dial(factory, handle)
        except BaseException as problem:  # also at cancellation: close the handle
            handle.close()
            factory.doStop()
            if isinstance(problem, NodeError):
                raise _in_twisted_words(problem, opened_at) from problem
            raise
        if not self._counted:
            handle.unref()
        return relay

    async def _dial(self, factory: IProtocolFactory, handle: Handle) -> IProtocol:
        address = HostnameAddress(self._target.host.encode("utf-8"), self._target.port)

        def build() -> IProtocol:
            protocol = factory.buildProtocol(address)
            if protocol is None:
                raise error.NoProtocol
            return _Counted(protocol, factory, handle)

        network = runtime.current().network
        if self._tls is False:
            relay = await network.connect(self._target, build, proxy=self._proxy)
        else:
            relay = await network.connect_tls(self._target, build, self._tls, proxy=self._proxy)
        return cast("_Counted", relay).protocol


class _Counted(Protocol):
    """Wraps a protocol to close its handle when the connection is lost."""

    def __init__(self, protocol: IProtocol, factory: IProtocolFactory, handle: Handle) -> None:
        self.protocol = protocol
        self._factory = factory
        self._handle = handle
        kinds = (IHalfCloseableProtocol, IHandshakeListener)
        directlyProvides(self, *(kind for kind in kinds if kind in providedBy(protocol)))

    def makeConnection(self, transport: ITransport) -> None:
        self.protocol.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        token = ending.set(reason)
        try:
            self.protocol.connectionLost(reason)
        finally:
            ending.reset(token)
            self._handle.close()
            self._factory.doStop()

    def readConnectionLost(self) -> None:
        IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def writeConnectionLost(self) -> None:
        IHalfCloseableProtocol(self.protocol).writeConnectionLost()

    def handshakeCompleted(self) -> None:
        IHandshakeListener(self.protocol).handshakeCompleted()


def _in_twisted_words(problem: NodeError, opened_at: str | None) -> ConnectFailedError:
    worded = _BY_CODE.get(problem.code, ConnectFailedError)(str(problem), problem.code)
    worded.opened_at = opened_at
    worded.hint = problem.hint
    return worded


@implementer(IAgentEndpointFactory)
class TesselAgentEndpoints:
    """Makes endpoints for `twisted.web.client.Agent.usingEndpointFactory`."""

    def __init__(
        self, *, tls: TlsOptions | None = None, proxy: bool | None = None, counted: bool = True
    ) -> None:
        """Set the options of all connections.

        Args:
            tls: options of TLS for https.
            proxy: False: do not use the tunnel.
            counted: False: connections do not keep the program alive. Otherwise also idle ones in a
                persistent pool do, until the pool closes them.

        """
        self._tls = tls or TlsOptions()
        self._proxy = proxy
        self._counted = counted

    def endpointForURI(self, uri: URI) -> TesselEndpoint:
        """Return an endpoint for the host of an http or https URI.

        Raises SchemeNotSupported for another scheme.
        """
        kinds: dict[bytes, bool | TlsOptions] = {b"http": False, b"https": self._tls}
        if uri.scheme not in kinds:
            raise SchemeNotSupported(f"scheme {uri.scheme!r}; known: http, https")
        secure = kinds[uri.scheme]
        return TesselEndpoint(
            uri.host.decode("ascii"), uri.port, tls=secure, proxy=self._proxy, counted=self._counted
        )
