"""What `tessel.node` and `tessel.endpoints` see of the network, whichever way a connection goes.

A connection is made in the Twisted manner: the protocol gets a transport that provides
`ITransport`, `IConsumer` and `IPushProducer`; where `loseWriteConnection` is there it half-closes.
Over TLS the protocol gets its transport when the handshake is done and the target's certificate
was accepted. Every failure is a `tessel.errors.NodeError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from twisted.internet.interfaces import IAddress, IProducer, IProtocol, ITransport
from twisted.internet.protocol import DatagramProtocol
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from tessel.errors import NodeError
    from tessel.network.sessions import Sessions

ProtocolFactory: TypeAlias = Callable[[], IProtocol]
BACKLOG = 511  # connections that wait to be accepted; Node's own number


@dataclass(frozen=True, slots=True)
class Target:
    """Who is to be reached: a name or an address as the program gave it, and a port."""

    host: str
    port: int
    family: int = 0  # 4 or 6: of the addresses of a name that the device looks up; 0: either

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """What a connection says about TLS itself; None: it says nothing."""

    ca: tuple[bytes, ...] | None = None  # PEM
    servername: str | None = None
    reject_unauthorized: bool | None = None
    sessions: Sessions | None = field(default=None, compare=False, repr=False)
    """Where sessions are kept that may be resumed; not the program's to say."""

    @property
    def named(self) -> bool:
        """The wire cannot carry any of these, so the device must do the TLS itself."""
        return self != TlsOptions()


class StreamTransport(Protocol):
    """What every transport of the network can do; for the type checker."""

    def write(self, data: bytes) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def getHost(self) -> IAddress: ...
    def getPeer(self) -> IAddress: ...
    def registerProducer(self, producer: IProducer, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def setTcpNoDelay(self, enabled: bool) -> None: ...
    def setTcpKeepAlive(self, enabled: bool) -> None: ...


class IConnectWatcher(Interface):
    """Is told how an attempt to connect goes on. All come before the Deferred fires."""

    def opened(transport: ITransport) -> None:
        """The kind of the connection is known, though it does not stand yet: what is written (and
        half-closed) from now on is sent as soon as it can be. Not called where there is nothing to
        gain; `makeConnection` follows with the same transport.
        """

    def looked_up(error: NodeError | None, address: str | None, family: int | None) -> None:
        """The name was looked up (addresses are not). Through the tunnel, by the proxy."""

    def connected() -> None:
        """TCP stands; for TLS the handshake follows."""


class IIdleWatch(Interface):
    """A transport whose idle time is watched at its far end (by the proxy)."""

    def watch_idle(timeout_ms: float, expired: Callable[[], None]) -> None:
        """Call `expired` when nothing went either way for so long; 0: stop watching."""


class IDiscardable(Interface):
    """A transport with a word of its own for `destroy`: deliver nothing more, close quietly."""

    def discard() -> None:
        """As loseConnection, but what still comes in is dropped, and nobody waits for a reader."""


class ISecured(Interface):
    """The transport of a TLS connection that the device does itself."""

    authorized: bool = Attribute("the target's certificate and name were accepted")
    authorization_error: NodeError | None = Attribute("why not, where the program said to go on")

    ended_by_fin: bool = Attribute("the connection below ended in order, though TLS did not say so")

    def peer_certificate() -> bytes | None:
        """DER."""

    def protocol_version() -> str:
        """Such as TLSv1.3."""

    def cipher_name() -> str | None:
        """As OpenSSL calls it."""


class IHostIgnored(Interface):
    """A port for which the program named a host that its radio cannot limit it to: it accepts what
    comes to any of the radio's addresses.
    """


class IListening(Interface):
    """A listening port."""

    def getHost() -> IAddress: ...

    def stop() -> Deferred[None]:
        """Accept no more; the connections there are stay."""


class INetwork(Interface):
    """Connections, directly or through the tunnel as the settings say. Every Deferred may be
    cancelled, and then gives up at once.
    """

    def ready() -> Deferred[object]:
        """Switch the radio on and have it join its network, if that is not done."""

    def connect(
        target: Target,
        factory: ProtocolFactory,
        *,
        proxy: bool = True,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Fires when TCP stands, with the protocol, which then has its transport."""

    def connect_tls(
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions,
        *,
        proxy: bool = True,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Fires when the handshake is done and the certificate accepted."""

    def lookup(name: str, family: int = 0) -> Deferred[Sequence[str]]:
        """The addresses of a name, best first; `family` 4, 6 or 0 for either. Always direct."""

    def listen(
        port: int, factory: ProtocolFactory, *, host: str = "", backlog: int = BACKLOG
    ) -> Deferred[IListening]:
        """Accept connections on a port; 0: any free one. `host` "" : all addresses."""

    def bind_udp(port: int, protocol: DatagramProtocol, *, host: str = "") -> Deferred[IListening]:
        """Give the protocol a UDP port of IPv4; 0: any free one."""
