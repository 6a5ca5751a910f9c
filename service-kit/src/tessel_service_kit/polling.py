"""Twisted's epoll reactor with less work for each event."""

from __future__ import annotations

from select import EPOLLIN
from typing import Protocol

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger


class _Readable(Protocol):
    def doRead(self) -> BaseException | None: ...


class LeanEPollReactor(EPollReactor):
    """Twisted's epoll reactor, which calls readers and writers without a logging context.

    Twisted enters a context of `twisted.python.log` for each event, which takes a dozen calls.
    Only the old log uses it, for the name of the connection. Failures are logged as before.
    """

    _log = Logger()

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events for at most `timeout` seconds (None: no limit), and handle them."""
        try:
            # as many events as there are descriptors, as Twisted does
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        for descriptor, event in events:
            selectable = self._selectables.get(descriptor)
            if selectable is not None:  # else an event before it has closed the descriptor
                try:
                    self._handle(selectable, descriptor, event)
                except Exception:  # noqa: BLE001 -- it must not end the reactor
                    self._log.failure("a descriptor's handler failed")

    doIteration = doPoll

    def _handle(self, selectable: _Readable, descriptor: int, event: int) -> None:
        if event != EPOLLIN:
            self._doReadOrWrite(selectable, descriptor, event)  # type: ignore[no-untyped-call]
            return
        try:
            why = selectable.doRead()
        except Exception as fault:  # noqa: BLE001 -- a protocol may raise anything
            self._log.failure("reading from a connection failed")
            why = fault
        if why:
            self._disconnectSelectable(selectable, why, True)  # type: ignore[no-untyped-call]
