"""The open substreams of one tunnel, and the state of both directions of each. No I/O."""

from __future__ import annotations

from streamplex.channels import OwnChannels, PeerChannels, Side
from streamplex.errors import LocalError, RemoteError
from streamplex.states import TRANSITIONS, Input, State


class Substreams:
    """Holds the channel numbers and half-close states of the substreams of one side of a tunnel.

    `states` holds the substreams that have not been released. `leaving` holds those that were
    released and still have queued data. Their numbers cannot be opened again yet: the frame that
    opens a substream overtakes queued data, so the old `end` would end the new substream.
    """

    __slots__ = ("_own_parity", "leaving", "own", "peers", "states")

    def __init__(self, side: Side) -> None:
        self.own = OwnChannels(side)
        self.peers = PeerChannels(side.other)
        self.states: dict[int, State] = {}
        self.leaving: dict[int, None] = {}  # an empty set would take 150 bytes more
        self._own_parity = side.value % 2

    def is_own(self, channel: int) -> bool:
        """Return whether this side, not the peer, opens substreams with this channel number."""
        return channel % 2 == self._own_parity

    def open_own(self, channel: int) -> None:
        """Record that this side opened a substream with a number that `own.allocate` returned."""
        self.states[channel] = State.OPEN

    def open_peers(self, channel: int) -> None:
        """Record that the peer opened a substream with this number.

        Raises RemoteError if the peer may not open the number or if it is in use.
        """
        self.peers.open(channel)
        if channel in self.states or channel in self.leaving:
            raise RemoteError(f"substream {channel} opened while it is in use")
        self.states[channel] = State.OPEN

    def is_open(self, channel: int) -> bool:
        """Return whether a message that the peer sent on this channel is to be processed.

        Returns False if this side has released the substream: the message was under way then.
        Raises RemoteError if the substream was never opened.
        """
        if channel in self.states:
            return True
        numbers = self.own if self.is_own(channel) else self.peers
        if not numbers.was_opened(channel):
            raise RemoteError(f"message for channel {channel}, which was never opened")
        return False

    def peer_did(self, channel: int, what: Input) -> None:
        """Change the state of an open substream by the peer's data or end.

        Raises RemoteError if the peer has ended its direction before.
        """
        try:
            self.states[channel] = TRANSITIONS[self.states[channel]][what]
        except KeyError:
            raise RemoteError(
                f"{'a second end' if what is Input.REMOTE_END else 'data after the end'} "
                f"on substream {channel}"
            ) from None

    def this_side_does(self, channel: int, what: Input) -> None:
        """Change the state of a substream by this side's data or end.

        Raises LocalError if this side has ended its direction before, or if the substream is not
        open.
        """
        self.require(channel)
        try:
            self.states[channel] = TRANSITIONS[self.states[channel]][what]
        except KeyError:
            raise LocalError(f"substream {channel} has ended; nothing may follow") from None

    def require(self, channel: int) -> None:
        """Raise LocalError if the substream is not open."""
        if channel not in self.states:
            raise LocalError(f"substream {channel} is not open")

    def release(self, channel: int) -> None:
        """Move a substream that this side no longer uses from `states` to `leaving`.

        Raises LocalError if the substream is not open, or if this side opened it and has not ended
        it.
        """
        self.require(channel)
        if self.is_own(channel) and not self.states[channel].local_ended:
            raise LocalError(f"substream {channel} released by its opener before its end")
        del self.states[channel]
        self.leaving[channel] = None

    def leave(self, channel: int) -> None:
        """Remove a substream from `leaving`, because it has no queued data any more.

        If this side opened it, its number may be used again (with `reuse/1`).
        """
        del self.leaving[channel]
        if self.is_own(channel):
            self.own.release(channel)
