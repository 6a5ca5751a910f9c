"""The substreams of one tunnel and their channel numbers. No I/O."""

from __future__ import annotations

from streamplex.channels import OwnChannels, PeerChannels, Side
from streamplex.credit import Promises, Windows
from streamplex.errors import LocalError, PromisesExhaustedError, RemoteError
from streamplex.schedule import Scheduler
from streamplex.stream import Stream
from streamplex.window import Window


class Substreams:
    """Holds the substreams of one side of a tunnel, by channel number.

    `open` holds the substreams that have not been released. `leaving` holds those that were
    released and still have queued data. Their numbers cannot be opened again yet: the frame that
    opens a substream overtakes queued data, so the old `end` would end the new substream.
    `promises` is the sum of the windows that this side grants; None: flow control is off.
    """

    __slots__ = ("_own_parity", "_peers_first", "_scheduler", "leaving", "open", "own", "peers",
        "promises")  # fmt: skip

    def __init__(self, side: Side, scheduler: Scheduler) -> None:
        self.own = OwnChannels(side)
        self.peers = PeerChannels(side.other)
        self.open: dict[int, Stream] = {}
        self.leaving: dict[int, Stream] = {}
        self.promises: Promises | None = None
        self._peers_first = 0
        self._scheduler = scheduler
        self._own_parity = side.value % 2

    def control_flow(self, windows: Windows, peers_first: int) -> None:
        """Apply flow control to all substreams that are opened from now on.

        `windows` are the sizes that this side grants. `peers_first` is the number of bytes that the
        peer grants on each new substream.
        """
        self.promises = Promises(windows)
        self._peers_first = peers_first

    def is_own(self, channel: int) -> bool:
        """Return whether this side, not the peer, opens substreams with this channel number."""
        return channel % 2 == self._own_parity

    def require_room(self) -> None:
        """Raise PromisesExhaustedError if there is no room for another substream's first window."""
        if self.promises is not None and not self.promises.have_room:
            raise PromisesExhaustedError("no credit is left for another substream")

    def add(self, channel: int) -> None:
        """Add a substream with a number that `own.allocate` returned."""
        if self.promises is None:
            stream = Stream(channel, self._scheduler, None, None)
        else:
            window = Window(self.promises)
            stream = Stream(channel, self._scheduler, window, self._peers_first)
        self.open[channel] = stream

    def add_peers(self, channel: int) -> None:
        """Add a substream that the peer opened.

        Raises RemoteError if the peer may not open the number or if it is in use.
        """
        self.peers.open(channel)
        if channel in self.open or channel in self.leaving:
            raise RemoteError(f"substream {channel} opened while it is in use")
        self.add(channel)

    def require_opened(self, channel: int) -> None:
        """Raise RemoteError if a substream with this number was never opened.

        Called for a message on a channel that is not open. If this side has released the substream,
        the message was under way then.
        """
        numbers = self.own if self.is_own(channel) else self.peers
        if not numbers.was_opened(channel):
            raise RemoteError(f"message for channel {channel}, which was never opened")

    def release(self, stream: Stream) -> None:
        """Remove an open substream that this side no longer uses.

        It is in `leaving` until its queued data was sent. Raises LocalError if this side opened the
        substream and has not ended it.
        """
        channel = stream.channel
        is_own = channel % 2 == self._own_parity
        if is_own and not stream.state.local_ended:
            raise LocalError(f"substream {channel} released by its opener before its end")
        del self.open[channel]
        if stream.window is not None:
            stream.window.close()
            if is_own and stream.nbytes:
                self._scheduler.drop_payload(stream)  # the peer is done, and grants nothing more
        if stream.nbytes:
            self.leaving[channel] = stream
        elif is_own:
            self.own.release(channel)

    def let_go(self, stream: Stream) -> None:
        """Remove a substream from `leaving` if it has no queued data any more.

        If this side opened it, its number may be used again (with `reuse/1`).
        """
        channel = stream.channel
        if stream.nbytes or self.leaving.pop(channel, None) is None:
            return
        if self.is_own(channel):
            self.own.release(channel)
