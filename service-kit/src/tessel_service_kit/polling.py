"""Twisted's epoll reactor with fewer calls for each turn and event.

turn: calls at the turn's end -> timers and calls from threads, if any -> poll -> descriptors
"""

from __future__ import annotations

import select
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.logger import Logger

_LONGEST_S = 2_147_483.0
"""Most seconds that epoll can wait: its argument counts milliseconds in 31 bits."""


class LeanEPollReactor(EPollReactor):
    """Twisted's epoll reactor without the work that most turns and events do not need.

    - Readers and writers are called without a context of `twisted.python.log`. Only the old log
      uses it, for the name of the connection. Failures are logged as before.
    - Timers and calls from threads are looked through only if one is due.
    - `call_at_turn_end` replaces `callLater(0, …)` where many connections collect what they write
      in a turn: no timer is made, sorted and looked for.
    - A descriptor that is polled for reading alone is removed in one call, not in four. One that is
      not polled for writing costs one call, too: each connection that closes is such a one.

    The names with an underscore are Twisted's; test_polling.py fails if they change.
    """

    _log = Logger()
    _failures = _log.failureHandler("unexpected error in the main loop")

    def __init__(self) -> None:
        self._end_calls: list[Callable[[], object]] = []
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's

    def call_at_turn_end(self, call: Callable[[], object]) -> None:
        """Make `call` when all descriptors and timers of this turn have been handled.

        A call that is added by such a call is made one turn later, without a wait.
        """
        self._end_calls.append(call)

    def mainLoop(self) -> None:
        """Run turns until the reactor stops. An error is logged and ends its turn only."""
        while self._started:
            with self._failures:
                while self._started:
                    self._turn()

    def _turn(self) -> None:
        if self._end_calls:
            self._make_end_calls()
        timeout = self.timeout()
        if timeout == 0 or self.threadCallQueue or self._justStopped or not self.running:
            self.runUntilCurrent()
            timeout = self.timeout() if self.running else 0
        self.doIteration(0 if self._end_calls else timeout)

    def _make_end_calls(self) -> None:
        calls, self._end_calls = self._end_calls, []
        for call in calls:
            try:
                call()
            except Exception:  # noqa: BLE001 -- it must not keep others from theirs
                self._log.failure("a call at the end of a turn failed")

    def timeout(self) -> float | None:
        """Return the seconds until the next timer: 0 if it is due, None if there is none."""
        if self._newTimedCalls:
            self._insertNewDelayedCalls()
        if not self._pendingTimedCalls:
            return None
        left_s = self._pendingTimedCalls[0].time - self.seconds()
        if left_s <= 0:
            return 0
        return min(left_s, _LONGEST_S)

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events for at most `timeout` seconds (None: no limit), and handle them."""
        selectables, reads = self._selectables, self._reads
        try:
            # as many events as there are descriptors, as Twisted does
            events = self._poller.poll(-1 if timeout is None else timeout, len(selectables))
        except InterruptedError:
            return
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue  # an event before it has closed the descriptor
            if event != EPOLLIN or descriptor not in reads:
                is_sure = descriptor in reads if event & EPOLLIN else event == EPOLLOUT
                handle = self._doReadOrWrite if is_sure else self._handle_anew
                self._guarded(handle, selectable, descriptor, event)
                continue
            try:
                why = selectable.doRead()
            except Exception as fault:  # noqa: BLE001 -- a protocol may raise anything
                self._log.failure("reading from a connection failed")
                why = fault
            if why:
                self._guarded(self._disconnectSelectable, selectable, why, True)

    doIteration = doPoll

    def _handle_anew(self, selectable: IReadDescriptor, descriptor: int, _event: int) -> None:
        """Handle what the descriptor reports now, in place of an event that may be another's.

        An event before it may have closed the descriptor that the poll has reported, and opened
        a connection, which then has its number. Its `doRead` and `doWrite` find nothing to do, but
        an end would be taken for its own, and one that is only polled for writing cannot read.
        """
        is_read, is_written = descriptor in self._reads, descriptor in self._writes
        now = select.poll()
        now.register(descriptor, EPOLLIN * is_read | EPOLLOUT * is_written)  # epoll's bits
        for _, event in now.poll(0):
            self._doReadOrWrite(selectable, descriptor, event)  # type: ignore[no-untyped-call]

    def _guarded(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001 -- it must not end the reactor
            self._log.failure("a descriptor's handler failed")

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Stop polling a descriptor for reading; do nothing if it is not polled for that."""
        descriptor = reader.fileno()
        if descriptor < 0 or descriptor in self._writes or self._continuousPolling._readers:  # noqa: SLF001
            super().removeReader(reader)  # type: ignore[no-untyped-call]  # Twisted's
        elif descriptor in self._reads:
            del self._selectables[descriptor]
            self._poller.unregister(descriptor)
            self._reads.remove(descriptor)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Stop polling a descriptor for writing; do nothing if it is not polled for that."""
        descriptor = writer.fileno()
        if descriptor < 0 or descriptor in self._writes or self._continuousPolling._writers:  # noqa: SLF001
            super().removeWriter(writer)  # type: ignore[no-untyped-call]  # Twisted's
