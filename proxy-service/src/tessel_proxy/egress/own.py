"""What belongs to this machine: the ports that the proxy listens on, and the machine's addresses.

A port that a firewall keeps from the Internet is open to the machine itself, at its public
address, too. Addresses come and go while a proxy runs, so that the system is asked each time.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from tessel_proxy.egress.addresses import Address, carried

_DISCARD = 9  # any port would do: nothing is sent
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def is_local(address: Address) -> bool:
    """Does the system reach it without leaving the machine?

    The source address for a way to oneself is that address, or one of loopback. To bind it would
    tell less: with ip_nonlocal_bind set, as beside load balancers, all addresses can be bound.

    Where there is no socket left to ask with, every address counts as local: whoever has used them
    up must not get further by it.
    """
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _DISCARD))
            source = ip_address(probe.getsockname()[0])
    except OSError as error:
        return error.errno in _SCARCE  # else there is no way to it at all
    return source == address or source.is_loopback


@dataclass(slots=True)
class OwnAddresses:
    """The machine's, as far as targets are concerned."""

    is_local: Callable[[Address], bool] = is_local
    _listening: set[tuple[Address, int]] = field(default_factory=set)

    def add_listener(self, host: str, port: int) -> None:
        """The proxy listens there: an address, or one that stands for all."""
        self._listening.add((ip_address(host), port))

    def listens_at(self, address: Address, port: int) -> bool:
        at_port = [host for host, its_port in self._listening if its_port == port]
        if not at_port:
            return False
        forms = (address, *carried(address))
        return any(host in forms or (host.is_unspecified and self.has(address)) for host in at_port)

    def has(self, address: Address) -> bool:
        return any(map(self.is_local, (address, *carried(address))))
