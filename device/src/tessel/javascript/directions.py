"""The two directions of a connection of the program: to the program, and from it."""

from __future__ import annotations

from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.flow import Received, Window
from tessel.javascript.frames import Fields
from tessel.network.socket_link import SocketLink


class ToProgram:
    """Sends bytes and events of a socket to the program, in order and within its credit."""

    def __init__(self, channel: Channel, object_id: int) -> None:
        self._channel = channel
        self.object_id = object_id
        self._window = Window()
        self._after_bytes: list[Fields] = []  # events that follow bytes which wait for credit

    @property
    def full(self) -> bool:
        """True while bytes wait for credit."""
        return self._window.full

    def send(self, data: bytes) -> None:
        """Send bytes; those beyond the credit wait."""
        self._send(self._window.take(data))

    def credited(self, nbytes: int) -> None:
        """Add credit: send what waits. Raises FrameError."""
        self._send(self._window.credited(nbytes))
        if not self._window.full:
            events, self._after_bytes = self._after_bytes, []
            for fields in events:
                self._report(fields)

    def event(self, name: str, **fields: object) -> None:
        """Report an event, after the bytes that came before it."""
        if self._window.full:
            self._after_bytes.append({"event": name, **fields})
        else:
            self._report({"event": name, **fields})

    def drop(self) -> None:
        """Drop what waits: the connection has failed, or the program has destroyed the socket."""
        self._window = Window()
        self._after_bytes = []

    def _send(self, data: bytes) -> None:
        if data:
            self._channel.send_data(self.object_id, data)

    def _report(self, fields: Fields) -> None:
        self._channel.send(self.object_id, fields)
        if fields["event"] == "closed":
            self._channel.remove(self.object_id)


class FromProgram:
    """Writes the program's bytes to the link, and returns the credit for it.

    Bytes that come before the link has a transport wait for it: at most a window.
    """

    def __init__(self, channel: Channel, link: SocketLink) -> None:
        self._channel = channel
        self._link = link
        self._received = Received()
        self._early: list[bytes] = []
        self._ended = False

    def write(self, object_id: int, data: bytes) -> None:
        """Write bytes. Raises FrameError without credit, BadCallError after the end."""
        self._received.came(len(data))
        if self._ended:
            raise BadCallError(f"{len(data)} bytes of a socket after its end")
        if not self._link.usable:
            self._early.append(data)
            return
        self._link.write_now(data)
        self._return_credit(object_id, len(data))

    def end(self) -> None:
        """Close the link's writing half after all bytes; raises BadCallError at a second call."""
        if self._ended:
            raise BadCallError("a second end of a socket")
        self._ended = True
        if self._link.usable:
            self._link.end()

    def opened(self, object_id: int) -> None:
        """Called when the link has a transport: writes what waits."""
        early, self._early = b"".join(self._early), []
        if early:
            self._link.write(early)
            self._return_credit(object_id, len(early))
        if self._ended:
            self._link.end()

    def drained(self, object_id: int) -> None:
        """Called when the transport has room again: returns the credit that was held back."""
        self._send_credit(object_id, self._received.consumed(0, all_of_it=True))

    def _return_credit(self, object_id: int, nbytes: int) -> None:
        if self._link.congested:
            self._received.owe(nbytes)  # until the transport has room
        else:
            self._send_credit(object_id, self._received.consumed(nbytes))

    def _send_credit(self, object_id: int, nbytes: int) -> None:
        if nbytes:
            self._channel.send_credit(object_id, nbytes)
