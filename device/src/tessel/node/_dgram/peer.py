"""The connected peer and the send queue of a UDP socket."""

from __future__ import annotations

from tessel.errors import NodeError
from tessel.node._dgram.options import DatagramOptions
from tessel.node._dgram.outbox import Outbox


class DatagramPeer(DatagramOptions):
    """The methods of a UDP socket for its connected peer and its send queue."""

    _outbox: Outbox

    def disconnect(self) -> None:
        """Stop limiting the socket to its connected peer; raises NodeError if there is none."""
        if self._outbox.peer is None:
            raise NodeError("Not connected", "ERR_SOCKET_DGRAM_NOT_CONNECTED")
        self._outbox.peer = None

    def remote_address(self) -> dict[str, object]:
        """Return `{address, port, family}` of the connected peer; raises NodeError without one."""
        self._check_running()
        if self._outbox.peer is None:
            raise NodeError("Not connected", "ERR_SOCKET_DGRAM_NOT_CONNECTED")
        return {"address": self._outbox.peer[0], "port": self._outbox.peer[1], "family": "IPv4"}

    def get_send_queue_count(self) -> int:
        """Return the number of datagrams that wait for the port to be bound or for a lookup."""
        return len(self._outbox)

    def get_send_queue_size(self) -> int:
        """Return the number of bytes that wait for the port to be bound or for a name lookup."""
        return self._outbox.nbytes
