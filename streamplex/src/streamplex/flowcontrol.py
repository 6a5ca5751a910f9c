"""Flow control (`credit/1`) of one tunnel: its substreams' windows and their credit.

Substreams that were opened while it was off have no window and no limit.
"""

from __future__ import annotations

from streamplex import events
from streamplex.credit import Promises, Window, Windows, add_credit
from streamplex.errors import LocalError, PromisesExhaustedError
from streamplex.schedule import Scheduler


class FlowControl:
    """Counts how much each side may send on each substream. Before `turn_on` without limits.

    A window limits what the peer may send, credit what this side may send.
    """

    __slots__ = ("_peers_first", "_promises", "_scheduler", "_unread", "_windows")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._promises: Promises | None = None
        self._peers_first = 0
        self._windows: dict[int, Window] = {}
        self._unread: set[int] = set()  # substreams that the peer has reset

    def turn_on(self, windows: Windows, peers_first: int) -> None:
        """Apply flow control to all substreams opened from now on.

        `windows` is what this side grants, `peers_first` the peer's first grant in bytes.
        """
        self._promises = Promises(windows)
        self._peers_first = peers_first

    def __contains__(self, channel: int) -> bool:
        return channel in self._windows

    def window(self, channel: int) -> Window | None:
        """Return the window of an open substream; None if flow control is off for it."""
        return self._windows.get(channel)

    def require_room(self) -> None:
        """Raise PromisesExhaustedError if there is no room for one more first window."""
        if self._promises is not None and not self._promises.have_room:
            raise PromisesExhaustedError("no credit is left for another substream")

    def begin(self, channel: int) -> None:
        """A substream was opened."""
        if self._promises is not None:
            self._windows[channel] = Window(self._promises)
            self._scheduler.limit(channel, self._peers_first)

    def close(self, channel: int) -> None:
        """A substream is released. Its queued data still needs credit."""
        self._unread.discard(channel)
        window = self._windows.pop(channel, None)
        if window is not None:
            window.close()

    # --- what comes

    def received(self, channel: int, nbytes: int) -> None:
        """Count received data. Raises RemoteError if it exceeds the window."""
        window = self._windows.get(channel)
        if window is not None:
            window.receive(nbytes)

    def ended(self, channel: int) -> None:
        """The peer sends no more data: grant nothing more."""
        window = self._windows.get(channel)
        if window is not None:
            window.end()

    def consumed(self, channel: int, nbytes: int, now: float) -> bool:
        """The consumer took received data at `now` (seconds). Return whether a grant was queued."""
        window = self._windows.get(channel)
        if window is None or not (grant := window.take(nbytes, now)):
            return False
        self.grant(channel, grant)
        return True

    def grant(self, channel: int, nbytes: int) -> None:
        """Queue a grant: the peer may send so many more bytes."""
        self._scheduler.add_urgent(events.credit_granted(channel, nbytes))

    def stop_reading(self, channel: int) -> None:
        """Queue a reset in place of the queued data. Raises LocalError without a window."""
        if channel not in self._windows:
            raise LocalError(f"reset of substream {channel} without credit/1")
        self.ended(channel)
        self._scheduler.replace_payload(channel, events.stream_reset(channel))

    def is_promised(self, channel: int) -> bool:
        """Return whether there was room for the substream's first window."""
        window = self._windows.get(channel)
        return window is None or window.promised

    def count_event(self, channel: int, now: float) -> bool:
        """Count an event received at `now` (seconds). Return whether it is within the limit."""
        window = self._windows.get(channel)
        return window is None or window.count_event(now)

    # --- what leaves

    def is_read(self, channel: int) -> bool:
        """Return whether the peer still reads this substream."""
        return channel not in self._unread

    def granted(self, channel: int, nbytes: int) -> None:
        """Add credit that the peer granted, also for the queued data of a released substream.

        Raises RemoteError if the credit exceeds MAX_CREDIT_BYTES.
        """
        outstanding = self._scheduler.credit_of(channel)
        if outstanding is not None:
            self._scheduler.grant(channel, add_credit(outstanding, nbytes))

    def not_read(self, channel: int) -> None:
        """The peer has reset the substream: drop its queued data."""
        self._scheduler.drop_payload(channel)
        if channel in self._windows:
            self._unread.add(channel)
