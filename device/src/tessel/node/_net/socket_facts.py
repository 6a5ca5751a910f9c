"""What a program may ask of a socket without changing it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from tessel.addresses import family_word
from tessel.node._net.socket_link import SocketLink
from tessel.node._streams.duplex import Duplex
from tessel.node.base.handles import Holder


class SocketState(Enum):
    """How far a socket's connection is."""

    IDLE = auto()  # connect was not called
    CONNECTING = auto()
    CONNECTED = auto()
    LOST = auto()  # the connection is gone; what was read may still be held


class SocketFacts(Holder, Duplex):
    """How far its connection is, where its ends are, and how much went over it."""

    remote_address: str | None
    remote_port: int | None
    _link: SocketLink
    _state: SocketState
    _after_close: list[Callable[[], object]] | None  # asked for anew, before the old `close`

    @property
    def connecting(self) -> bool:
        dialled = self._state is SocketState.CONNECTING and not self.destroyed
        return dialled or self._after_close is not None

    @property
    def pending(self) -> bool:
        return self._state in (SocketState.IDLE, SocketState.CONNECTING)

    @property
    def ready_state(self) -> str:
        if self.connecting:
            return "opening"
        if self._state is SocketState.CONNECTED and not self.destroyed:
            halves = {(True, True): "open", (True, False): "readOnly", (False, True): "writeOnly"}
            return halves.get((self.readable, self.writable), "closed")
        return "closed"

    @property
    def bytes_written(self) -> int:
        """Passed on and queued."""
        return self._bytes_accepted

    @property
    def buffer_size(self) -> int:
        """Bytes that wait to be written."""
        return self.writable_length

    @property
    def remote_family(self) -> str | None:
        return family_word(self.remote_address)

    @property
    def local_address(self) -> str | None:
        return getattr(self._link.local_address(), "host", None) if self._link.usable else None

    @property
    def local_port(self) -> int | None:
        return getattr(self._link.local_address(), "port", None) if self._link.usable else None

    @property
    def local_family(self) -> str | None:
        return family_word(self.local_address)

    def address(self) -> dict[str, object]:
        """Where the socket is bound on this side; empty where there is no such place."""
        host = self.local_address
        if host is None:
            return {}
        return {"address": host, "port": self.local_port, "family": family_word(host)}
