"""The extension `credit/1` of one tunnel: the windows of its substreams, and what they may send.

Substreams that were opened while it was off stand outside: they have no window and no limit.
"""

from __future__ import annotations

from streamplex import events
from streamplex.credit import Promises, Window, Windows, add_credit
from streamplex.errors import LocalError, PromisesExhaustedError
from streamplex.schedule import Scheduler


class FlowControl:
    """Who may send how much. Without `turn_on` there are no limits."""

    __slots__ = ("_peers_first", "_promises", "_scheduler", "_unread", "_windows")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._promises: Promises | None = None
        self._peers_first = 0
        self._windows: dict[int, Window] = {}
        self._unread: set[int] = set()  # substreams whose peer reads no more

    def turn_on(self, windows: Windows, peers_first: int) -> None:
        """For the substreams from now on: what this side promises, and what its peer does."""
        self._promises = Promises(windows)
        self._peers_first = peers_first

    def __contains__(self, channel: int) -> bool:
        return channel in self._windows

    def window(self, channel: int) -> Window | None:
        """Return the window of an open substream; None if flow control is off for it."""
        return self._windows.get(channel)

    def require_room(self) -> None:
        """Raises PromisesExhaustedError if one more substream could be promised no window."""
        if self._promises is not None and not self._promises.have_room:
            raise PromisesExhaustedError("all windows of this tunnel are promised")

    def begin(self, channel: int) -> None:
        """A substream was opened."""
        if self._promises is not None:
            self._windows[channel] = Window(self._promises)
            self._scheduler.limit(channel, self._peers_first)

    def close(self, channel: int) -> None:
        """A substream is released. What it has still to send goes on needing credit."""
        self._unread.discard(channel)
        window = self._windows.pop(channel, None)
        if window is not None:
            window.close()

    # --- what comes

    def received(self, channel: int, nbytes: int) -> None:
        """Data came. Raises RemoteError if it may not."""
        window = self._windows.get(channel)
        if window is not None:
            window.receive(nbytes)

    def ended(self, channel: int) -> None:
        """No more data is to come."""
        window = self._windows.get(channel)
        if window is not None:
            window.end()

    def consumed(self, channel: int, nbytes: int, now: float) -> bool:
        """Data that came has been taken, at this time in seconds.

        Is it time to grant as much anew? Then that is queued.
        """
        window = self._windows.get(channel)
        if window is None or not (grant := window.take(nbytes, now)):
            return False
        self.grant(channel, grant)
        return True

    def grant(self, channel: int, nbytes: int) -> None:
        """Queue a grant: the peer may send so many more bytes."""
        self._scheduler.add_urgent(events.credit_granted(channel, nbytes))

    def stop_reading(self, channel: int) -> None:
        """Have the peer drop what it has queued. What is queued here is forgotten, too."""
        if channel not in self._windows:
            raise LocalError(f"reset of substream {channel} without credit/1")
        self.ended(channel)
        self._scheduler.replace_payload(channel, events.stream_reset(channel))

    def is_promised(self, channel: int) -> bool:
        """Could the substream be promised its first window?"""
        window = self._windows.get(channel)
        return window is None or window.promised

    def count_event(self, channel: int, now: float) -> bool:
        """An event came at this time, in seconds: is it within the limit of their rate?"""
        window = self._windows.get(channel)
        return window is None or window.count_event(now)

    # --- what leaves

    def is_read(self, channel: int) -> bool:
        """Does the peer want data at all?"""
        return channel not in self._unread

    def granted(self, channel: int, nbytes: int) -> None:
        """The peer has more room, be it for what a released substream still has to send.

        Raises RemoteError if it has too much.
        """
        outstanding = self._scheduler.credit_of(channel)
        if outstanding is not None:
            self._scheduler.grant(channel, add_credit(outstanding, nbytes))

    def not_read(self, channel: int) -> None:
        """The peer drops what it is sent: send it nothing more."""
        self._scheduler.drop_payload(channel)
        if channel in self._windows:
            self._unread.add(channel)
