"""The network as `tessel.node` and `tessel.endpoints` see it, direct or through the tunnel.

Connections work as in Twisted: the protocol gets a transport that provides `ITransport`,
`IConsumer` and `IPushProducer`, and half-closes if it has `loseWriteConnection`. Over TLS the
protocol gets its transport after the handshake, when the target's certificate was accepted. Every
failure is a `tessel.errors.NodeError`.
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
BACKLOG = 511  # connections that may wait to be accepted; as in Node


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a connection: a name or an address as the program wrote it, and a port."""

    host: str
    port: int
    family: int = 0  # of addresses that the device looks up: 4, 6, or 0 for either

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """The TLS options of one connection; None: not set."""

    ca: tuple[bytes, ...] | None = None  # PEM
    servername: str | None = None
    reject_unauthorized: bool | None = None
    sessions: Sessions | None = field(default=None, compare=False, repr=False)
    """The TLS sessions to resume; only the tunnel uses it."""

    @property
    def named(self) -> bool:
        """True if any option is set. The wire cannot carry them: the device must do the TLS."""
        return self != TlsOptions()


class StreamTransport(Protocol):
    """The methods of all transports of the network; for the type checker."""

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
    """Receives the steps of an attempt to connect, before its Deferred fires."""

    def opened(transport: ITransport) -> None:
        """The connection has a transport, but is not established yet.

        Bytes that are written now are sent as soon as possible. Called only through the tunnel;
        `makeConnection` follows with the same transport.
        """

    def looked_up(error: NodeError | None, address: str | None, family: int | None) -> None:
        """The target's name was looked up; through the tunnel, by the proxy."""

    def connected() -> None:
        """TCP is established; for TLS the handshake follows."""


class IIdleWatch(Interface):
    """A transport whose idle time the proxy watches."""

    def watch_idle(timeout_ms: float, expired: Callable[[], None]) -> None:
        """Call `expired` when no bytes went either way for this time (ms); 0: stop watching."""


class IDiscardable(Interface):
    """A transport that Node's `destroy` closes by `discard` instead of an abort."""

    def discard() -> None:
        """Close as `loseConnection` does, but drop all bytes that are received from now on."""


class ISecured(Interface):
    """The transport of a TLS connection whose TLS the device does."""

    authorized: bool = Attribute("the target's certificate and name were accepted")
    authorization_error: NodeError | None = Attribute("why not, with reject_unauthorized=False")

    ended_by_fin: bool = Attribute("the peer ended TCP in order, without close_notify")

    def peer_certificate() -> bytes | None:
        """Return the target's certificate in DER; None without one."""

    def protocol_version() -> str:
        """Return for example TLSv1.3."""

    def cipher_name() -> str | None:
        """Return OpenSSL's name of the cipher."""


class IHostIgnored(Interface):
    """Marks a port that listens on all addresses, although the program named one.

    The radio cannot listen on a single address.
    """


class IListening(Interface):
    """A listening port."""

    def getHost() -> IAddress: ...

    def stop() -> Deferred[None]:
        """Accept nothing more; open connections stay."""


class INetwork(Interface):
    """Makes connections directly or through the tunnel. Every Deferred can be cancelled."""

    def ready() -> Deferred[object]:
        """Switch the radio on and join its network, unless this is done."""

    def connect(
        target: Target,
        factory: ProtocolFactory,
        *,
        proxy: bool = True,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Connect; fires with the protocol when TCP is established."""

    def connect_tls(
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions,
        *,
        proxy: bool = True,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Connect over TLS; fires with the protocol when the certificate was accepted."""

    def lookup(name: str, family: int = 0) -> Deferred[Sequence[str]]:
        """Look up a name; fires with its addresses, best first. `family`: 4, 6, or 0 for either."""

    def listen(
        port: int, factory: ProtocolFactory, *, host: str = "", backlog: int = BACKLOG
    ) -> Deferred[IListening]:
        """Accept connections on a port; 0: any free one. `host` "": on all addresses."""

    def bind_udp(port: int, protocol: DatagramProtocol, *, host: str = "") -> Deferred[IListening]:
        """Connect the protocol to a UDP port of IPv4; 0: any free one."""
