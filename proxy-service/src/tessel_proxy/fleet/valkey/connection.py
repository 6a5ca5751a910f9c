"""Keep one connection to the engine: dial again when it is lost, with backoff."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import SystemRandom
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from tessel_proxy.fleet.valkey.dialing import Dialer, DialError
from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.fleet.valkey.protocol import EngineProtocol

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
"""Seconds between two attempts, doubled each time, less a random part so that a thousand hosts do
not dial together. Counts must be right within 15 s after an engine came back."""

STEADY_S: Final = 10.0
"""Seconds after which a connection counts as good: the pause begins at FIRST_PAUSE_S again."""

Use = Callable[[EngineProtocol], Coroutine[Deferred[Any], Any, None]]


class KeptConnection:
    """Keeps a connection open between `start` and `stop`, and gives each new one to `use`.

    `use` returns or raises DialError when the connection is lost, or is not good any more.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, dialer: Dialer, use: Use, health: EngineHealth) -> None:
        self._clock = clock
        self._dialer = dialer
        self._use = use
        self._health = health
        self._jitter = SystemRandom().random
        self._running: Deferred[None] | None = None
        self.why = "not connected yet"

    def start(self) -> None:
        """Connect, and connect again when the connection is lost. Does not wait."""
        self._running = Deferred.fromCoroutine(self._keep())
        self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def stop(self) -> None:
        """Close the connection and do not dial any more."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    async def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began = self._clock.seconds()
            try:
                await self._once()
            except DialError as error:
                self.why = str(error)
                self._health.failed(self.why)
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the attempts
                self.why = repr(error)
                self._health.failed(self.why)
                self._log.failure("fault in the connection to the engine", event="engine_fault")
            if self._clock.seconds() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await deferLater(self._clock, pause_s * (1 - self._jitter() / 2))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _once(self) -> None:
        protocol = await self._dialer.dial()
        try:
            await self._use(protocol)
        finally:
            protocol.end("stopped")
        raise DialError(f"connection lost: {protocol.fault}")
