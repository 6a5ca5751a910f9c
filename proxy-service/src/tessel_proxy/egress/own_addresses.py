"""The addresses of this machine, and the ports that the proxy listens on.

A port that a firewall blocks from the Internet is open to the machine itself, also at its public
address. Addresses change while the proxy runs, so the system is asked each time.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address

from tessel_proxy.egress.addresses import Address, carried

_DISCARD = 9  # any port works: nothing is sent
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def is_local(address: Address) -> bool:
    """Return whether `address` belongs to this machine. Sends nothing.

    If it does, the system chooses the address itself, or a loopback address, as the source address
    of a connection to it. A bind to the address is no test: with ip_nonlocal_bind set, as on
    machines with load balancers, every address can be bound.

    If no socket can be opened, the result is True: a device must gain nothing by using up all
    sockets.
    """
    text = str(address)
    try:
        source = _source_for(text)
    except OSError as error:
        return error.errno in _SCARCE  # otherwise there is no route to the address
    if isinstance(address, IPv4Address):  # has one way to be written, so it need not be parsed
        return source == text or source.startswith("127.")
    parsed = ip_address(source)
    return parsed == address or parsed.is_loopback


def _source_for(address: str) -> str:
    # The class in C below `socket.socket`: this is asked for each connection to the Internet.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    probe = socket.SocketType(family, socket.SOCK_DGRAM)
    try:
        probe.connect((address, _DISCARD))
        return str(probe.getsockname()[0])
    finally:
        probe.close()


@dataclass(slots=True)
class OwnAddresses:
    """Knows the addresses of this machine, and the ports that the proxy listens on."""

    is_local: Callable[[Address], bool] = is_local
    _listening: dict[int, list[Address]] = field(default_factory=dict)  # hosts by their port

    def add_listener(self, host: str, port: int) -> None:
        """Register a listener of the proxy.

        `host`: its IP address; 0.0.0.0 or :: for all addresses.
        """
        self._listening.setdefault(port, []).append(ip_address(host))

    def listens_at(self, address: Address, port: int) -> bool:
        """Return whether the proxy itself listens at this address and port.

        An IPv4 address that `address` contains counts, too.
        """
        at_port = self._listening.get(port)
        if not at_port:
            return False
        forms = (address, *carried(address))
        return any(host in forms or (host.is_unspecified and self.has(address)) for host in at_port)

    def has(self, address: Address) -> bool:
        """Return whether `address`, or an IPv4 address in it, belongs to this machine."""
        if isinstance(address, IPv4Address):
            return self.is_local(address)
        return self.is_local(address) or any(map(self.is_local, carried(address)))
