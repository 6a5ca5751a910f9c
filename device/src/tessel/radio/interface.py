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
    """An operation of a radio failed. `code` is the error code that Node uses for the reason."""

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
    """The address and port to listen on are already in use."""

    code = "EADDRINUSE"


class AddressNotAvailableError(RadioError):
    """The radio does not have the address on which a port was to be opened."""

    code = "EADDRNOTAVAIL"


class PermissionDeniedError(RadioError):
    """The operating system does not permit the operation."""

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

    `net` warns a program that tries either.
    """


class IDatagramOptions(IMulticastTransport):
    """A UDP port with options for multicast and TTL. UDP ports of the CC3000 do not provide it."""

    def set_ttl(ttl: int) -> None:
        """Set the TTL of unicast datagrams. Raises OSError.

        `setTTL` sets the TTL of multicast datagrams.
        """

    def set_interface(address: str) -> None:
        """Send multicast datagrams over the interface with this IPv4 address. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiStatus:
    """The Wi-Fi network that a radio has joined, and the radio's addresses in it."""

    ssid: bytes  # empty if the chip joined a remembered network by itself
    address: str
    gateway: str
    dhcp_server: str
    name_server: str


class IWifi(Interface):
    """The functions of a radio with which a program manages Wi-Fi.

    Each Deferred may fail with a RadioError. Cancelling a Deferred does not stop the operation.
    """

    link: LinkState = Attribute("the state of the link now")
    mac: bytes | None = Attribute(
        "the MAC address; None before the radio was on for the first time"
    )

    def watch_link(changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `changed` with the new state at each change of the link, as IRadio.watch_link.

        Returns a function that ends the watch.
        """

    def status() -> WifiStatus | None:
        """Return the joined network and the radio's addresses; None if no network is joined."""

    def join(ssid: bytes, security: str, key: bytes) -> Deferred[None]:
        """Leave the present network and join the network `ssid`; fires when it is joined.

        `security` is "unsecured", "wep", "wpa" or "wpa2". `key` is the password.
        """

    def leave() -> Deferred[None]:
        """Leave the network. The radio joins no network until `join` or `switch_on` is called."""

    def switch_on() -> Deferred[None]:
        """Switch the radio on; fires when it is on.

        In the background the radio tries to join the network that it joined last, until it
        succeeds.
        """

    def switch_off() -> Deferred[None]:
        """Switch the radio off and cut its connections.

        Ports that are open now are opened again when the radio has joined a network again.
        """

    def watch_trouble(failed: Callable[[Exception], None]) -> Callable[[], None]:
        """Call `failed` with the error each time that joining a network in the background fails.

        Returns a function that ends the watch.
        """


class IRadioPort(Interface):
    """An open port of a radio: a TCP port that accepts connections, or a UDP port."""

    def getHost() -> IAddress: ...

    def stop() -> Deferred[None]:
        """Close the port; fires when it is closed. Accepted connections stay open."""


class ILosablePort(IRadioPort):
    """A port that the radio may lose while it is on.

    After a lost network the radio opens its ports again. The port is lost if its number is then in
    use.
    """

    def watch_loss(lost: Callable[[RadioError], None]) -> None:
        """Call `lost` with the error when the port is lost.

        It is not called when the port is stopped or the radio is switched off.
        """


class IRadio(Interface):
    """A radio: carries TCP connections and UDP datagrams, opens ports, and looks names up.

    Each Deferred may be cancelled, and fails with a RadioError.
    """

    ipv6: bool = Attribute("True if it can reach IPv6 addresses")
    link: LinkState = Attribute("the state of the link now")
    connections_opened: int = Attribute("number of TCP connections that it has made")

    def owns(selectable: object) -> bool:
        """Return whether this reader or writer of the reactor belongs to the radio."""

    def power_on() -> Deferred[None]:
        """Switch the radio on and join its Wi-Fi network, if it has one; fires after that."""

    def power_off() -> Deferred[None]:
        """Switch the radio off: cut its connections and close its ports. Fires when it is off."""

    def watch_link(changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `changed` with the new state at each change of the link.

        Returns a function that ends the watch.
        """

    def connect(
        addresses: Sequence[str], port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        """Open a TCP connection to one of the `addresses` (best first); fires with its protocol.

        A radio that can do so tries several addresses at once (RFC 8305), others one after the
        other. `factory` makes the protocol for the connection that succeeds.
        """

    def listen(
        port: int, factory: Callable[[], IProtocol], *, address: str, backlog: int
    ) -> Deferred[IRadioPort]:
        """Accept TCP connections on a port; fires with the open port.

        `factory` makes the protocol of each connection. `port` 0: any free port. `address` "": all
        addresses. `backlog`: how many connections may wait to be accepted.
        """

    def bind_udp(port: int, protocol: DatagramProtocol, *, address: str) -> Deferred[IRadioPort]:
        """Bind a UDP port and connect the protocol to it, as in Twisted; fires with the open port.

        `port` 0: any free port. `address` "": all addresses.
        """

    def lookup(name: str) -> Deferred[Sequence[str]]:
        """Look a name up; fires with its addresses, at least one, best first."""
