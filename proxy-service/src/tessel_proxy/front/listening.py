"""Listen for devices on IPv4 and IPv6."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorSocket,
    IReactorTCP,
)
from twisted.internet.protocol import ServerFactory
from twisted.internet.tcp import Server

from streamplex.tx.bulk import READ_BYTES, read_view

BACKLOG = 1024  # all devices of a site reconnect at once after a power cut


class DeviceConnection(Server):
    """Twisted's TCP connection, without the names of its peer: they take 370 bytes of each.

    They are for Twisted's old log. The factory gets the address, and the system knows it while the
    connection is open. It reads views in bulk.
    """

    logstr = repstr = "device"
    bufferSize = READ_BYTES

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        del self.logstr, self.repstr, self.client, self.hostname, self.sessionno

    def doRead(self) -> ConnectionLost | ConnectionDone | None:  # type: ignore[override]
        """Called by the reactor when data can be read: passes the data to the protocol as a view.

        Returns the reason if the connection has ended, else None.
        """
        return read_view(self, self.protocol.dataReceived)  # type: ignore[arg-type]  # takes views

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Return the address of the device; raises OSError or AttributeError after the end."""
        return self._addressType("TCP", *self.socket.getpeername())


def take_devices(port: IListeningPort) -> None:
    """Let a port of Twisted's make a DeviceConnection of each connection that it accepts."""
    port.transport = DeviceConnection  # type: ignore[attr-defined]  # see Twisted's Port


class IListeningReactor(IReactorTCP, IReactorSocket):
    """The reactor interfaces that `listen` uses."""


def listen(
    reactor: IListeningReactor, host: str, port: int, factory: ServerFactory[Any]
) -> IListeningPort:
    """Listen on a TCP port and return it; raises CannotListenError if that fails.

    `host`: the address to listen on; "": all interfaces, IPv4 and IPv6. `port` 0: any free port.
    """
    if host:
        return reactor.listenTCP(port, factory, backlog=BACKLOG, interface=host)
    return _listen_everywhere(reactor, port, factory)


def _listen_everywhere(
    reactor: IListeningReactor, port: int, factory: ServerFactory[Any]
) -> IListeningPort:
    """Listen with one socket for IPv4 and IPv6, whatever the system's default is."""
    with bound("", port) as listener:  # the reactor duplicates the descriptor
        return reactor.adoptStreamPort(listener.fileno(), listener.family, factory)


def bound(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket that listens, for the arguments of `listen`; raises CannotListenError.

    `reuse_port`: with SO_REUSEPORT, so that several sockets of one user share the port, and the
    system spreads new connections over them.
    """
    try:
        listener = _everywhere(port, reuse_port) if not host else _at(host, port, reuse_port)
    except OSError as error:
        raise CannotListenError(host, port, error) from error
    listener.setblocking(False)
    return listener


def _everywhere(port: int, reuse_port: bool) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port),
            family=socket.AF_INET6,
            backlog=BACKLOG,
            reuse_port=reuse_port,
            dualstack_ipv6=True,
        )
    return socket.create_server(("", port), backlog=BACKLOG, reuse_port=reuse_port)


def _at(host: str, port: int, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
