"""The properties of a socket: its state, its addresses, and its byte counts."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from tessel.addresses import family_name
from tessel.node._net.socket_link import SocketLink
from tessel.node._streams.duplex import Duplex
from tessel.node.base.handles import Holder


class SocketState(Enum):
    """The state of a socket's connection."""

    IDLE = auto()  # connect was not called
    CONNECTING = auto()
    CONNECTED = auto()
    LOST = auto()  # the connection is lost; received bytes may still be buffered


class SocketFacts(Holder, Duplex):
    """The properties of a socket that a program can read."""

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
        """True until the connection is established."""
        return self._state in (SocketState.IDLE, SocketState.CONNECTING)

    @property
    def ready_state(self) -> str:
        """One of "opening", "open", "readOnly", "writeOnly" and "closed"."""
        if self.connecting:
            return "opening"
        if self._state is SocketState.CONNECTED and not self.destroyed:
            halves = {(True, True): "open", (True, False): "readOnly", (False, True): "writeOnly"}
            return halves.get((self.readable, self.writable), "closed")
        return "closed"

    @property
    def bytes_written(self) -> int:
        """Bytes that the program has written, sent or queued."""
        return self._bytes_accepted

    @property
    def buffer_size(self) -> int:
        """Bytes that are queued."""
        return self.writable_length

    @property
    def remote_family(self) -> str | None:
        """The family, "IPv4" or "IPv6"; None before `connect`, or for a name."""
        return family_name(self.remote_address)

    @property
    def local_address(self) -> str | None:
        """The address on this side; None without a connection, or through the tunnel."""
        return getattr(self._link.local_address(), "host", None) if self._link.usable else None

    @property
    def local_port(self) -> int | None:
        """The port on this side; None without a connection, or through the tunnel."""
        return getattr(self._link.local_address(), "port", None) if self._link.usable else None

    @property
    def local_family(self) -> str | None:
        """The family, "IPv4" or "IPv6"; None where there is no local address."""
        return family_name(self.local_address)

    def address(self) -> dict[str, object]:
        """Return `{address, port, family}` of this side; empty where there is no local address."""
        host = self.local_address
        if host is None:
            return {}
        return {"address": host, "port": self.local_port, "family": family_name(host)}
