"""Flow control (`credit/1`) of one tunnel: its substreams' windows and their credit.

Substreams that were opened while it was off have no window and no limit.
"""

from __future__ import annotations

from streamplex import events
from streamplex.credit import Promises, Window, Windows, add_credit
from streamplex.errors import LocalError, PromisesExhaustedError
from streamplex.schedule import Scheduler


class FlowControl:
    """Counts how many bytes each side of a tunnel may send on each substream.

    A window limits the peer, credit limits this side. Before `turn_on` there are no limits.
    """

    __slots__ = ("_peers_first", "_promises", "_scheduler", "_unread", "_windows")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._promises: Promises | None = None
        self._peers_first = 0
        self._windows: dict[int, Window] = {}
        self._unread: dict[int, None] = {}  # substreams that the peer has reset; smaller than a set

    def turn_on(self, windows: Windows, peers_first: int) -> None:
        """Apply flow control to all substreams that are opened from now on.

        `windows` are the sizes that this side grants. `peers_first` is the number of bytes that the
        peer grants on each new substream.
        """
        self._promises = Promises(windows)
        self._peers_first = peers_first

    def __contains__(self, channel: int) -> bool:
        """Return whether the substream is open and flow control is on for it."""
        return channel in self._windows

    def window(self, channel: int) -> Window | None:
        """Return the window of an open substream. None: flow control is off for this substream."""
        return self._windows.get(channel)

    def require_room(self) -> None:
        """Raise PromisesExhaustedError if there is no room for another substream's first window."""
        if self._promises is not None and not self._promises.have_room:
            raise PromisesExhaustedError("no credit is left for another substream")

    def begin(self, channel: int) -> None:
        """Start the flow control of a substream that was opened. Does nothing before `turn_on`."""
        if self._promises is not None:
            self._windows[channel] = Window(self._promises)
            self._scheduler.limit(channel, self._peers_first)

    def close(self, channel: int) -> None:
        """End the window of a substream that is released. Its queued data still needs credit."""
        self._unread.pop(channel, None)
        window = self._windows.pop(channel, None)
        if window is not None:
            window.close()

    # --- what comes

    def received(self, channel: int, nbytes: int) -> None:
        """Count `nbytes` of received data against the window of a substream.

        Raises RemoteError if `nbytes` is 0 or exceeds the window. Without flow control nothing is
        checked.
        """
        window = self._windows.get(channel)
        if window is not None:
            window.receive(nbytes)

    def ended(self, channel: int) -> None:
        """Stop granting credit on a substream, because the peer sends no more data there."""
        window = self._windows.get(channel)
        if window is not None:
            window.end()

    def consumed(self, channel: int, nbytes: int, now: float) -> bool:
        """Record that the consumer took `nbytes` at time `now` (s).

        Return whether a grant was queued.
        """
        window = self._windows.get(channel)
        if window is None or not (grant := window.take(nbytes, now)):
            return False
        self.grant(channel, grant)
        return True

    def grant(self, channel: int, nbytes: int) -> None:
        """Queue a frame that lets the peer send `nbytes` more bytes on a substream."""
        self._scheduler.add_urgent(events.credit_granted(channel, nbytes))

    def stop_reading(self, channel: int) -> None:
        """Drop the queued data of a substream and ask the peer to send no more data on it.

        Raises LocalError if flow control is off for this substream.
        """
        if channel not in self._windows:
            raise LocalError(f"reset of substream {channel} without credit/1")
        self.ended(channel)
        self._scheduler.replace_payload(channel, events.stream_reset(channel))

    def is_promised(self, channel: int) -> bool:
        """Return whether the tunnel had room for the substream's first window.

        True also if flow control is off for this substream.
        """
        window = self._windows.get(channel)
        return window is None or window.promised

    def count_event(self, channel: int, now: float) -> bool:
        """Count an event received at time `now` (seconds). Return whether it is within the limit.

        Without flow control for this substream there is no limit.
        """
        window = self._windows.get(channel)
        return window is None or window.count_event(now)

    # --- what leaves

    def is_read(self, channel: int) -> bool:
        """Return whether the peer still accepts data on this substream.

        It does until it resets it.
        """
        return channel not in self._unread

    def granted(self, channel: int, nbytes: int) -> None:
        """Add `nbytes` of credit that the peer granted to a substream.

        This also applies to the queued data of a released substream. Raises RemoteError if the
        credit exceeds MAX_CREDIT_BYTES.
        """
        outstanding = self._scheduler.credit_of(channel)
        if outstanding is not None:
            self._scheduler.grant(channel, add_credit(outstanding, nbytes))

    def not_read(self, channel: int) -> None:
        """Drop the queued data of a substream, because the peer has reset the substream."""
        self._scheduler.drop_payload(channel)
        if channel in self._windows:
            self._unread[channel] = None
