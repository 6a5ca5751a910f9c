"""The chip's inactivity timer, which closes sockets that were not used for some time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tessel.emulator.socket_table import TcpSocket


class InactivityTimer:
    """Calls a function with each watched socket that was not used for some time.

    A timer checks a socket's last use only when it fires, so traffic needs no timer calls.
    """

    def __init__(
        self, limit_s: int, clock: IReactorTime, expired: Callable[[TcpSocket], None]
    ) -> None:
        """`expired` is called with each socket that was not used for `limit_s`; 0 means never."""
        self._limit_s = limit_s
        self._clock = clock
        self._expired = expired
        self._watched: dict[TcpSocket, IDelayedCall | None] = {}

    def watch(self, socket: TcpSocket) -> None:
        """Watch a socket until `forget` is called or its time is over."""
        self._watched[socket] = None
        self._arm(socket)

    def forget(self, socket: TcpSocket) -> None:
        """Stop watching a socket."""
        self._disarm(socket)
        self._watched.pop(socket, None)

    def change(self, limit_s: int) -> None:
        """Set the limit in seconds for all sockets; 0 turns the timer off."""
        self._limit_s = limit_s
        for socket in list(self._watched):
            self._disarm(socket)
            self._arm(socket)

    def stop(self) -> None:
        """Stop watching all sockets."""
        for socket in list(self._watched):
            self.forget(socket)

    def _arm(self, socket: TcpSocket) -> None:
        if self._limit_s:
            left_s = max(0.0, socket.last_used + self._limit_s - self._clock.seconds())
            self._watched[socket] = self._clock.callLater(left_s, self._look, socket)

    def _disarm(self, socket: TcpSocket) -> None:
        timer = self._watched.get(socket)
        if timer is not None:
            timer.cancel()
            self._watched[socket] = None

    def _look(self, socket: TcpSocket) -> None:
        self._watched[socket] = None
        if self._clock.seconds() >= socket.last_used + self._limit_s:
            del self._watched[socket]
            self._expired(socket)
        else:
            self._arm(socket)
