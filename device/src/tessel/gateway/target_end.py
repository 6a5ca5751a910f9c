"""The end of a joined connection that leads to the target."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.gateway.end import End
from tessel.gateway.limits import OPENING_TIMEOUT_S
from tessel.network.interface import INetwork, Target
from tessel.network.limits import within

log = Logger(namespace="tessel")


class TargetEnd(End):
    """A connection of the device to a target, from the attempt on."""

    def __init__(
        self,
        clock: IReactorTime,
        connected: Callable[[], None],
        failed: Callable[[NodeError], None],
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """Create an end that is not connected.

        Args:
            clock: for timers.
            connected: called when the connection is established, before any byte of the target.
            failed: called with the reason if the attempt has failed.
            over: called when an established connection is lost, or the attempt has ended.

        """
        super().__init__(clock, over)
        self._connected = connected
        self._failed = failed
        self._attempt: Deferred[IProtocol] | None = None
        self._given_up = False
        self._is_established = False

    def connect(self, network: INetwork, target: Target) -> None:
        """Begin the attempt. The bytes that `send` gets from now on follow it."""
        late = NodeError(
            f"connect ETIMEDOUT {target}: neither the proxy nor the target has answered within "
            f"{OPENING_TIMEOUT_S:g} s",
            "ETIMEDOUT",
        )
        attempt = network.connect(target, self.protocol, watcher=self.link)
        self._attempt = within(OPENING_TIMEOUT_S, self._clock, attempt, late)
        self._attempt.addCallbacks(lambda _: self._succeeded(), self._not_connected)
        self._attempt.addErrback(lambda failure: log.failure("a connection's attempt", failure))

    def abort(self) -> None:
        """Reset the connection, or stop the attempt."""
        self._given_up = True
        if self._attempt is not None:
            self._attempt.cancel()
        else:
            super().abort()

    def link_received(self, data: bytes) -> None:
        """Called with bytes of the target, which prove that the connection is established."""
        self._establish()
        super().link_received(data)

    def _succeeded(self) -> None:
        self._attempt = None
        if self._given_up:
            super().abort()  # established before the attempt could be cancelled
            return
        self._establish()

    def _establish(self) -> None:
        if not self._is_established:
            self._is_established = True
            self._connected()

    def _not_connected(self, failure: Failure) -> None:
        self._attempt = None
        self.link.give_up()
        self.is_lost = True
        self._early = []
        try:
            if isinstance(failure.value, NodeError):
                self._failed(failure.value)
            elif not failure.check(CancelledError):
                self._failed(NodeError(f"connect EIO: {failure.value!r}", "EIO"))
                failure.raiseException()
        finally:
            self._over()
