"""What the network sees of a radio: power, link, connections to addresses, listening, UDP, names.

The interface fits a weak chip: a handful of sockets, no half-close, no TCP_NODELAY, IPv4 only, and
a `connect` during which the chip does nothing else.

Its connections are Twisted transports: `ITransport`, `IConsumer`, `IPushProducer`, and the methods
of `ITCPTransport`. On a transport that provides `IWeakTransport`, `loseWriteConnection` closes both
directions and `setTcpNoDelay` has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

from twisted.internet.interfaces import IAddress, IMulticastTransport, IProtocol
from twisted.internet.protocol import DatagramProtocol
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class LinkState(Enum):
    """How far a radio is from carrying bytes."""

    OFF = auto()
    DOWN = auto()  # power is on
    JOINING = auto()
    UP = auto()  # there is an address


class RadioError(Exception):
    """A radio could not do it. `code` is Node's word for why."""

    code: ClassVar[str] = "EIO"


class RadioRefusedError(RadioError):
    code = "ECONNREFUSED"


class RadioTimedOutError(RadioError):
    code = "ETIMEDOUT"


class HostUnreachableError(RadioError):
    code = "EHOSTUNREACH"


class NetworkUnreachableError(RadioError):
    """Also: the link is not up."""

    code = "ENETUNREACH"


class ResetError(RadioError):
    code = "ECONNRESET"


class AddressInUseError(RadioError):
    code = "EADDRINUSE"


class AddressNotAvailableError(RadioError):
    code = "EADDRNOTAVAIL"


class PermissionDeniedError(RadioError):
    code = "EACCES"


class NoSocketError(RadioError):
    """All of the radio's sockets are in use."""

    code = "EMFILE"


class NameNotFoundError(RadioError):
    code = "ENOTFOUND"


class NameUnansweredError(RadioError):
    """No name server answered in time."""

    code = "EAI_AGAIN"


class IWeakTransport(Interface):
    """A transport that can neither half-close nor send without delay: who asks for it is told."""


class IDatagramOptions(IMulticastTransport):
    """A UDP port that can be told more than where to send. The CC3000's cannot."""

    def set_ttl(ttl: int) -> None:
        """Of datagrams to one receiver; `setTTL` is for those to groups. Raises OSError."""

    def set_interface(address: str) -> None:
        """By which datagrams to groups go. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiStatus:
    """The network that a radio is in, and its addresses there."""

    ssid: bytes  # empty: the radio joined it by itself, and nobody had named it
    address: str
    gateway: str
    dhcp_server: str
    name_server: str


class IWifi(Interface):
    """What a program may do with the Wi-Fi of a radio that has one.

    Every Deferred may fail with a RadioError; what was begun goes on if one is cancelled.
    """

    link: LinkState = Attribute("the state of the link now")
    mac: bytes | None = Attribute("its address; None: it was never on")

    def watch_link(changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """As the radio's."""

    def status() -> WifiStatus | None:
        """None: it is in no network."""

    def join(ssid: bytes, security: str, key: bytes) -> Deferred[None]:
        """Leave the network there is, for this one. `security`: unsecured, wep, wpa, wpa2."""

    def leave() -> Deferred[None]:
        """And stay away."""

    def switch_on() -> Deferred[None]:
        """Fires when the radio is on. It joins the network that was joined last meanwhile, and
        tries again until it is there.
        """

    def switch_off() -> Deferred[None]:
        """Connections are cut. Ports are opened again when the radio is in a network again."""

    def watch_trouble(told: Callable[[Exception], None]) -> Callable[[], None]:
        """Be told why the network could not be joined in the background, each time; call what is
        returned to be told no more.
        """


class IRadioPort(Interface):
    """A port that listens, or a bound UDP port."""

    def getHost() -> IAddress: ...

    def stop() -> Deferred[None]:
        """Stop; connections that were accepted stay."""


class ILosablePort(IRadioPort):
    """A port that may be lost while the radio is on: its number is taken when it is reopened."""

    def watch_loss(lost: Callable[[RadioError], None]) -> None:
        """Call it when the port is lost; not when it is stopped or the radio is at its end."""


class IRadio(Interface):
    """A radio. Every Deferred may be cancelled and fails with a RadioError."""

    ipv6: bool = Attribute("True if it can reach IPv6 addresses")
    link: LinkState = Attribute("the state of the link now")
    connections_opened: int = Attribute("TCP connections that stood, since power was on")

    def owns(selectable: object) -> bool:
        """Is this, among what the reactor watches, this radio's?"""

    def power_on() -> Deferred[None]: ...

    def power_off() -> Deferred[None]:
        """Connections are cut, ports stop listening."""

    def watch_link(changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """Be told of every change of the link; call what is returned to be told no more."""

    def connect(
        addresses: Sequence[str], port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        """Dial the addresses, best first: several at once (RFC 8305) where the radio can, else
        one after the other. The factory is called for the connection that stands.
        """

    def listen(
        port: int, factory: Callable[[], IProtocol], *, address: str, backlog: int
    ) -> Deferred[IRadioPort]:
        """Accept TCP connections; port 0: any free one; address "": all."""

    def bind_udp(port: int, protocol: DatagramProtocol, *, address: str) -> Deferred[IRadioPort]:
        """Give the protocol a UDP port: Twisted's `IUDPTransport`."""

    def lookup(name: str) -> Deferred[Sequence[str]]:
        """The addresses of a name, at least one, best first."""
