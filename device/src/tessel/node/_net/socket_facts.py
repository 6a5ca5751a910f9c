"""The properties of a socket: its state, its addresses, and its byte counts."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from tessel.addresses import family_name
from tessel.network.socket_link import SocketLink
from tessel.node._streams.duplex import Duplex
from tessel.node.base.handles import Holder


class SocketState(Enum):
    """The state of a socket's connection, from before `connect` to its loss."""

    IDLE = auto()  # connect was not called
    CONNECTING = auto()
    CONNECTED = auto()
    LOST = auto()  # the connection is lost; received bytes may still be buffered


class SocketFacts(Holder, Duplex):
    """The properties of a socket that a program can read, such as its addresses."""

    remote_address: str | None
    remote_port: int | None
    _link: SocketLink
    _state: SocketState
    _after_close: list[Callable[[], object]] | None  # see Socket

    @property
    def connecting(self) -> bool:
        """True from `connect` until the connection is established."""
        dialled = self._state is SocketState.CONNECTING and not self.destroyed
        return dialled or self._after_close is not None

    @property
    def pending(self) -> bool:
        """True before the connection is established, also before `connect` is called."""
        return self._state in (SocketState.IDLE, SocketState.CONNECTING)

    @property
    def ready_state(self) -> str:
        """The state as in Node: "opening", "open", "readOnly", "writeOnly" or "closed"."""
        if self.connecting:
            return "opening"
        if self._state is SocketState.CONNECTED and not self.destroyed:
            halves = {(True, True): "open", (True, False): "readOnly", (False, True): "writeOnly"}
            return halves.get((self.readable, self.writable), "closed")
        return "closed"

    @property
    def bytes_written(self) -> int:
        """The number of bytes that the program has written, both sent and queued."""
        return self._bytes_accepted

    @property
    def buffer_size(self) -> int:
        """The number of written bytes that are queued and not yet passed on."""
        return self.writable_length

    @property
    def remote_family(self) -> str | None:
        """The family of the peer's address, "IPv4" or "IPv6"; None before `connect`.

        None also if `remote_address` is a name.
        """
        return family_name(self.remote_address)

    @property
    def local_address(self) -> str | None:
        """The device's own IP address; None without a connection, or through the tunnel."""
        return getattr(self._link.local_address(), "host", None) if self._link.usable else None

    @property
    def local_port(self) -> int | None:
        """The device's own port; None without a connection, or through the tunnel."""
        return getattr(self._link.local_address(), "port", None) if self._link.usable else None

    @property
    def local_family(self) -> str | None:
        """The family of the device's own address, "IPv4" or "IPv6"; None without an address."""
        return family_name(self.local_address)

    def address(self) -> dict[str, object]:
        """Return the device's own `{address, port, family}`; empty without a local address."""
        host = self.local_address
        if host is None:
            return {}
        return {"address": host, "port": self.local_port, "family": family_name(host)}


def is_scarce(socket: SocketFacts) -> bool:
    """Return whether a socket is one of the few that a chip has: four, on the CC3000."""
    link = socket._link  # noqa: SLF001 - a fact of the socket that programs have no use for
    return link.usable and link.weak
