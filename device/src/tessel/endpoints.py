"""The network of the board in the Twisted manner: endpoints for any protocol, and for web agents.

    endpoint = TesselEndpoint("example.com", 7)
    agent = Agent.usingEndpointFactory(reactor, TesselAgentEndpoints())

Both go the way `net`, `tls`, `http` and `https` go: directly, or through the tunnel. An open
connection keeps the process alive, as a socket does. `tessel.agent` has a ready-made web agent.
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
    """A connection could not be made. Node's code word is in `code`; Twisted's programs catch the
    class.
    """

    def __init__(self, message: str, code: str) -> None:
        error.ConnectError.__init__(self, None, message)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])  # Twisted's would put a sentence of its own before it


class ConnectRefusedError(ConnectFailedError, error.ConnectionRefusedError):
    pass


class ConnectTimedOutError(ConnectFailedError, error.TimeoutError):
    pass


class NoRouteError(ConnectFailedError, error.NoRouteError):
    pass


class UnknownHostError(ConnectFailedError, error.UnknownHostError):
    pass


# Why the connection is lost whose protocol is just being told so. Twisted's web client forgets the
# reason where a body ends with its connection: cut or finished is the same to it.
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
    """A place to connect to over the board's network.

    `tls` is True, or says more about the TLS to do; `proxy` False goes around the tunnel.
    `counted` False: the connection, once it stands, does not keep the process alive.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool | TlsOptions = False,
        proxy: bool | None = None,
        counted: bool = True,
    ) -> None:
        self._target = Target(host, port)
        self._tls = TlsOptions() if tls is True else tls
        self._proxy = proxy is not False
        self._counted = counted

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fails with a ConnectFailedError; it is a Twisted ConnectError, too."""
        handle = runtime.current().handles.open(f"connection to {self._target}")
        return Deferred.fromCoroutine(self._connected(protocolFactory, handle, here()))

    async def _connected(
        self, factory: IProtocolFactory, handle: Handle, opened_at: str | None
    ) -> IProtocol:
        factory.doStart()
        try:
            relay = await self._dialled(factory, handle)
        except BaseException as problem:  # cancellation and all: nothing stays behind
            handle.close()
            factory.doStop()
            if isinstance(problem, NodeError):
                raise _in_twisted_words(problem, opened_at) from problem
            raise
        if not self._counted:
            handle.unref()
        return relay

    async def _dialled(self, factory: IProtocolFactory, handle: Handle) -> IProtocol:
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
    """Stands before a protocol and is like it, but that it knows when the connection is over."""

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
    """For `twisted.web.client.Agent.usingEndpointFactory`.

    `tls` says more about the TLS of https; `proxy` False goes around the tunnel. With a persistent
    pool an idle connection keeps the process alive until the pool closes it, unless `counted` is
    False.
    """

    def __init__(
        self, *, tls: TlsOptions | None = None, proxy: bool | None = None, counted: bool = True
    ) -> None:
        self._tls = tls or TlsOptions()
        self._proxy = proxy
        self._counted = counted

    def endpointForURI(self, uri: URI) -> TesselEndpoint:
        kinds: dict[bytes, bool | TlsOptions] = {b"http": False, b"https": self._tls}
        if uri.scheme not in kinds:
            raise SchemeNotSupported(f"scheme {uri.scheme!r}; known: http, https")
        secure = kinds[uri.scheme]
        return TesselEndpoint(
            uri.host.decode("ascii"), uri.port, tls=secure, proxy=self._proxy, counted=self._counted
        )
