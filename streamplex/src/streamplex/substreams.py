"""Which substreams of one tunnel are open, and which of their directions have ended; pure."""

from __future__ import annotations

from streamplex.channels import OwnChannels, PeerChannels, Side
from streamplex.errors import LocalError, RemoteError
from streamplex.states import TRANSITIONS, Input, State


class Substreams:
    """The channel numbers and half-close states of one side of a tunnel.

    `states` holds the substreams that have not been released. `leaving` holds those that were
    released and still have queued data. Their numbers cannot be opened again yet: the frame that
    opens a substream overtakes queued data, so the old `end` would end the new substream.
    """

    __slots__ = ("_own_parity", "leaving", "own", "peers", "states")

    def __init__(self, side: Side) -> None:
        self.own = OwnChannels(side)
        self.peers = PeerChannels(side.other)
        self.states: dict[int, State] = {}
        self.leaving: set[int] = set()
        self._own_parity = side.value % 2

    def is_own(self, channel: int) -> bool:
        """Return whether this side opens this number."""
        return channel % 2 == self._own_parity

    def open_own(self, channel: int) -> None:
        """Open a number that `own.allocate` returned."""
        self.states[channel] = State.OPEN

    def open_peers(self, channel: int) -> None:
        """Open a number that the peer chose. Raises RemoteError if it may not."""
        self.peers.open(channel)
        if channel in self.states or channel in self.leaving:
            raise RemoteError(f"substream {channel} opened while it is in use")
        self.states[channel] = State.OPEN

    def is_open(self, channel: int) -> bool:
        """Return whether a message of the peer still matters to this substream.

        It does not if this side has released the substream while the message was under way.
        Raises RemoteError if the substream was never opened.
        """
        if channel in self.states:
            return True
        numbers = self.own if self.is_own(channel) else self.peers
        if not numbers.was_opened(channel):
            raise RemoteError(f"message for channel {channel}, which was never opened")
        return False

    def peer_did(self, channel: int, what: Input) -> None:
        """Apply what the peer sent on an open substream. Raises RemoteError after its end."""
        try:
            self.states[channel] = TRANSITIONS[self.states[channel]][what]
        except KeyError:
            raise RemoteError(
                f"{'a second end' if what is Input.REMOTE_END else 'data after the end'} "
                f"on substream {channel}"
            ) from None

    def this_side_does(self, channel: int, what: Input) -> None:
        """Apply what this side sends. Raises LocalError after its end, or if it is not open."""
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
        """Forget the state of a substream that this side is done with; it is leaving now.

        Raises LocalError if this side opened it and has not ended it.
        """
        self.require(channel)
        if self.is_own(channel) and not self.states[channel].local_ended:
            raise LocalError(f"substream {channel} released by its opener before its end")
        del self.states[channel]
        self.leaving.add(channel)

    def leave(self, channel: int) -> None:
        """A leaving substream has nothing queued any more: its number may be used again."""
        self.leaving.remove(channel)
        if self.is_own(channel):
            self.own.release(channel)
