"""The interface of the network that `tessel.node` and `tessel.endpoints` use.

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
    """The TLS options that a program set for one connection; None: the option is not set.

    `tessel.network.route.has_own_options` says which of them keep the connection from the proxy's
    TLS. Private keys and their passphrase are not shown in its text.
    """

    ca: tuple[bytes, ...] | None = None  # PEM; trusted instead of the system's authorities
    extra_ca: tuple[bytes, ...] | None = None  # PEM; trusted besides the system's, without `ca`
    servername: str | None = None  # for SNI, and to check; "": no SNI, the host is checked
    reject_unauthorized: bool | None = None
    check_name: bool = True  # False: only the chain is checked, because the program checks the name

    cert: tuple[bytes, ...] | None = None  # PEM, each with its chain, own certificate first
    key: tuple[bytes, ...] | None = field(default=None, repr=False)  # PEM
    pfx: tuple[bytes, ...] | None = field(default=None, repr=False)  # PKCS#12: certificate and key
    passphrase: bytes | None = field(default=None, repr=False)  # of every `key` and `pfx`

    alpn_protocols: tuple[bytes, ...] | None = None  # best first
    min_version: str | None = None  # Node's name, such as "TLSv1.2"
    max_version: str | None = None
    ciphers: str | None = None  # a list in OpenSSL's form; "": not set

    sessions: Sessions | None = field(default=None, compare=False, repr=False)
    """The TLS sessions to resume; only the tunnel uses it."""


@dataclass(frozen=True, slots=True)
class Cipher:
    """The cipher of a TLS connection, as Node's `getCipher` shows it.

    `name` is OpenSSL's, `standard_name` IANA's, and `version` the first TLS version that had it.
    """

    name: str
    standard_name: str
    version: str


@dataclass(frozen=True, slots=True)
class EphemeralKey:
    """The kind of key that was exchanged, as Node's `getEphemeralKeyInfo` shows it.

    `kind` is "ECDH" or "DH", `name` that of the curve, `size` in bits.
    """

    kind: str
    name: str
    size: int


class StreamTransport(Protocol):
    """The methods that every transport of the network has. It serves the type checker."""

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
    """Receives the steps of a connection attempt, before the attempt's Deferred fires."""

    def opened(transport: ITransport) -> None:
        """Called when a connection through the tunnel has a transport, but is not established yet.

        Bytes that are written now are sent as soon as possible. `makeConnection` follows with the
        same transport. Not called for a direct connection.
        """

    def looked_up(error: NodeError | None, address: str | None, family: int | None) -> None:
        """Called when the target's name was looked up: by the device, or by the proxy.

        Either `error` is set, or `address` and its `family` (4 or 6) are. The proxy looks up the
        targets of connections through the tunnel.
        """

    def connected() -> None:
        """Called when TCP to the target is established. With TLS, the handshake follows."""


class IIdleWatch(Interface):
    """A transport for which the proxy measures how long no bytes were sent or received."""

    def watch_idle(timeout_ms: float, expired: Callable[[], None]) -> None:
        """Call `expired` when no bytes were sent or received for `timeout_ms` milliseconds.

        0 ends the watch.
        """


class IDiscardable(Interface):
    """A transport with a method `discard`, which Node's `destroy` calls instead of aborting."""

    def discard() -> None:
        """Close as `loseConnection` does, but drop all bytes that are received from now on."""


class ISecured(Interface):
    """The transport of a TLS connection for which the device itself does the TLS.

    The methods may be called until the connection is lost.
    """

    authorized: bool = Attribute("the target's certificate and name were accepted")
    authorization_error: NodeError | None = Attribute("why not, with reject_unauthorized=False")

    ended_by_fin: bool = Attribute("the peer ended TCP in order, without close_notify")

    def peer_certificate() -> bytes | None:
        """Return the target's certificate in DER; None if the target sent none."""

    def peer_certificate_chain() -> list[bytes]:
        """Return all certificates that the target sent, in DER: its own first, as received.

        Only the target's own certificate, if a TLS session was resumed.
        """

    def verified_certificate_chain() -> list[bytes]:
        """Return the certificates from the target's own to its authority's, in DER.

        The authority's certificate is the device's own copy. The chain ends earlier if the
        authority is unknown, and is empty if a TLS session was resumed.
        """

    def own_certificate() -> bytes | None:
        """Return the device's certificate for this connection in DER; None if there is none.

        It does not say whether the target asked for it.
        """

    def protocol_version() -> str:
        """Return the name of the TLS version, for example "TLSv1.3"."""

    def cipher() -> Cipher | None:
        """Return the connection's cipher."""

    def alpn_protocol() -> bytes | None:
        """Return the protocol that the target chose of `alpn_protocols`; None: none of them."""

    def ephemeral_key() -> EphemeralKey | None:
        """Return the kind of key that was exchanged; None if Node has no name for it."""

    def session_reused() -> bool:
        """Return whether an earlier TLS session was resumed."""


class IHostIgnored(Interface):
    """Marks a port that listens on all addresses although the program named one address.

    The radio cannot listen on a single address.
    """


class IListening(Interface):
    """An open port: a TCP port that accepts connections, or a UDP port."""

    def getHost() -> IAddress: ...

    def stop() -> Deferred[None]:
        """Close the port; the Deferred fires when it is closed. Accepted connections stay open."""


class INetwork(Interface):
    """Connects directly or through the tunnel, looks names up, and opens ports.

    Every Deferred can be cancelled, and fails with a NodeError.
    """

    def ready() -> Deferred[object]:
        """Switch the radio on and join its network, unless that is done; fires when it is."""

    def connect(
        target: Target,
        factory: ProtocolFactory,
        *,
        proxy: bool = True,
        encrypted: bool = False,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Connect to a target without TLS; fires with the protocol when TCP is established.

        `factory` makes the protocol. `proxy` False: do not use the tunnel. `encrypted`: the program
        does TLS of its own over the connection, so the route is that of TLS that the proxy cannot
        do. `watcher` gets the steps.
        """

    def connect_tls(
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions,
        *,
        proxy: bool = True,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Connect to a target over TLS; fires with the protocol when its certificate was accepted.

        `factory` makes the protocol. `proxy` False: do not use the tunnel. `watcher` gets the
        steps.
        """

    def lookup(name: str, family: int = 0) -> Deferred[Sequence[str]]:
        """Look a name up from the device; fires with its addresses, best first.

        `family` is 4, 6, or 0 for either.
        """

    def listen(
        port: int, factory: ProtocolFactory, *, host: str = "", backlog: int = BACKLOG
    ) -> Deferred[IListening]:
        """Accept TCP connections on a port; fires with the open port.

        Args:
            port: its number; 0: any free port.
            factory: makes the protocol of each accepted connection.
            host: name or address to listen on; "": all addresses.
            backlog: how many connections may wait to be accepted.
        """

    def bind_udp(port: int, protocol: DatagramProtocol, *, host: str = "") -> Deferred[IListening]:
        """Bind an IPv4 UDP port and connect the protocol to it; fires with the open port.

        `port` 0: any free port. `host` "": all addresses.
        """
