"""The interface of a radio: power, link, TCP connections, listening, UDP, names; and its errors.

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
    """The state of a radio's link. Only UP carries bytes."""

    OFF = auto()
    DOWN = auto()  # the power is on, but the radio is in no network
    JOINING = auto()
    UP = auto()  # the radio is in a network and has an address


class RadioError(Exception):
    """A radio failed at an operation. `code` is the error code that Node uses for the reason."""

    code: ClassVar[str] = "EIO"


class RadioRefusedError(RadioError):
    """The peer refused the connection."""

    code = "ECONNREFUSED"


class RadioTimedOutError(RadioError):
    """The peer did not answer in time."""

    code = "ETIMEDOUT"


class HostUnreachableError(RadioError):
    """The peer's host cannot be reached."""

    code = "EHOSTUNREACH"


class NetworkUnreachableError(RadioError):
    """The peer's network cannot be reached, or the radio's link is not up."""

    code = "ENETUNREACH"


class ResetError(RadioError):
    """The connection was reset."""

    code = "ECONNRESET"


class AddressInUseError(RadioError):
    """The port is in use."""

    code = "EADDRINUSE"


class AddressNotAvailableError(RadioError):
    """The radio does not have the address."""

    code = "EADDRNOTAVAIL"


class PermissionDeniedError(RadioError):
    """The system does not permit the operation."""

    code = "EACCES"


class NoSocketError(RadioError):
    """All of the radio's sockets are in use."""

    code = "EMFILE"


class NameNotFoundError(RadioError):
    """The name does not exist, or has no address."""

    code = "ENOTFOUND"


class NameUnansweredError(RadioError):
    """No name server answered in time."""

    code = "EAI_AGAIN"


class IWeakTransport(Interface):
    """A marker for transports that can neither half-close nor turn off Nagle's algorithm.

    `net` warns a program that asks for either.
    """


class IDatagramOptions(IMulticastTransport):
    """A UDP port with options for multicast and TTL. Ports of the CC3000 have none."""

    def set_ttl(ttl: int) -> None:
        """Set the TTL of unicast datagrams; `setTTL` is for multicast. Raises OSError."""

    def set_interface(address: str) -> None:
        """Choose the interface, by its address, for multicast datagrams. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiStatus:
    """The Wi-Fi network that a radio is in, and the addresses it has there."""

    ssid: bytes  # empty if the chip joined a remembered network by itself
    address: str
    gateway: str
    dhcp_server: str
    name_server: str


class IWifi(Interface):
    """The Wi-Fi of a radio, as a program manages it.

    Each Deferred may fail with a RadioError. Cancelling one does not stop the operation.
    """

    link: LinkState = Attribute("the state of the link now")
    mac: bytes | None = Attribute(
        "the MAC address; None before the radio was on for the first time"
    )

    def watch_link(changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """As `IRadio.watch_link`."""

    def status() -> WifiStatus | None:
        """Return the network and the addresses; None if the radio is in no network."""

    def join(ssid: bytes, security: str, key: bytes) -> Deferred[None]:
        """Join this network, and leave the present one.

        `security` is "unsecured", "wep", "wpa" or "wpa2".
        """

    def leave() -> Deferred[None]:
        """Leave the network. The radio joins none until `join` or `switch_on`."""

    def switch_on() -> Deferred[None]:
        """Switch the radio on. Fires when it is on.

        In the background it joins the network that was joined last, and tries until it is in.
        """

    def switch_off() -> Deferred[None]:
        """Switch the radio off, and cut its connections.

        Its ports are opened again when it is in a network again.
        """

    def watch_trouble(failed: Callable[[Exception], None]) -> Callable[[], None]:
        """Call `failed` with the reason each time that joining in the background fails.

        Returns a function that ends the watch.
        """


class IRadioPort(Interface):
    """A listening TCP port, or a bound UDP port."""

    def getHost() -> IAddress: ...

    def stop() -> Deferred[None]:
        """Close the port. Accepted connections stay open."""


class ILosablePort(IRadioPort):
    """A port that may be lost while the radio is on.

    That happens when the radio opens it again after a lost network, and its number is in use then.
    """

    def watch_loss(lost: Callable[[RadioError], None]) -> None:
        """Call `lost` when the port is lost, but not when it or the radio is stopped."""


class IRadio(Interface):
    """A radio. Each Deferred may be cancelled, and fails with a RadioError."""

    ipv6: bool = Attribute("True if it can reach IPv6 addresses")
    link: LinkState = Attribute("the state of the link now")
    connections_opened: int = Attribute("number of TCP connections that it has made")

    def owns(selectable: object) -> bool:
        """Does this object, which the reactor watches, belong to the radio?"""

    def power_on() -> Deferred[None]:
        """Switch the radio on, and join its network if it has one to join."""

    def power_off() -> Deferred[None]:
        """Switch the radio off: cut its connections and close its ports."""

    def watch_link(changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `changed` with the new state at each change of the link.

        Returns a function that ends the watch.
        """

    def connect(
        addresses: Sequence[str], port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        """Connect to one of the addresses, best first.

        A radio that can tries several at once (RFC 8305), others one after the other. The factory
        makes the protocol for the connection that succeeds.
        """

    def listen(
        port: int, factory: Callable[[], IProtocol], *, address: str, backlog: int
    ) -> Deferred[IRadioPort]:
        """Accept TCP connections. Port 0 means any free port, address "" all addresses."""

    def bind_udp(port: int, protocol: DatagramProtocol, *, address: str) -> Deferred[IRadioPort]:
        """Bind a UDP port and connect the protocol to it, as Twisted's `IUDPTransport`."""

    def lookup(name: str) -> Deferred[Sequence[str]]:
        """Return the addresses of a name, at least one, best first."""
