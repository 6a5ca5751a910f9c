"""Calls to the engine over one connection, each with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.interfaces import IReactorTime
from txredisapi import RedisError  # type: ignore[import-untyped]

from tessel_proxy.fleet.engine import CALL_TIMEOUT_S, EngineError
from tessel_proxy.fleet.valkey.connection import KeptConnection
from tessel_proxy.fleet.valkey.dialing import KEEPS_ALL, Dialer
from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.fleet.valkey.protocol import EngineProtocol
from tessel_proxy.fleet.valkey.scripts import Script

MAX_WAITING: Final = 4096
"""Commands without a reply. A host sends some dozen each second; with more, the engine does not
keep up, and their memory would grow."""

HUNG_S: Final = 5.0
"""Seconds for which the oldest command may wait for its reply. Longer, and the connection is taken
for dead: an engine that is slow by 2 s still gets all calls, one that hangs is dialled again."""


class Link:
    """Executes scripts on the engine."""

    def __init__(self, clock: IReactorTime, dialer: Dialer, health: EngineHealth) -> None:
        self._clock = clock
        self._health = health
        self._protocol: EngineProtocol | None = None
        self.connected: Callable[[], None] = lambda: None  # called after each connect
        self._connection = KeptConnection(clock, dialer, self._use, health)
        self.start, self.stop = self._connection.start, self._connection.stop

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._protocol is not None

    async def run(self, script: Script, *args: object) -> str:
        """Execute a script and return its reply.

        Raises EngineError within CALL_TIMEOUT_S; at once, if there is no connection, or if an
        earlier call waits for longer already. The script is executed in the second case, too: an
        engine that is slow still learns all counts.
        """
        protocol = self._protocol
        if protocol is None:
            raise EngineError(f"no connection to the engine: {self._connection.why}")
        if protocol.waiting >= MAX_WAITING:
            raise self._failed(protocol, f"{MAX_WAITING} calls wait for an answer already")
        is_late = protocol.silent_s > CALL_TIMEOUT_S
        work = Deferred.fromCoroutine(protocol.run(script, *args))
        if is_late:  # answers come in order
            work.addErrback(lambda _late: None)
            raise self._failed(protocol, f"earlier calls have no answer for {CALL_TIMEOUT_S:g} s")
        try:
            reply = await work.addTimeout(CALL_TIMEOUT_S, self._clock)
        except TookTooLongError:
            raise self._failed(protocol, f"no answer within {CALL_TIMEOUT_S:g} s") from None
        except (RedisError, TypeError) as error:
            raise self._failed(protocol, f"{script.name}: {protocol.fault or error}") from error
        self._health.answered()
        return reply.decode("utf-8", "surrogateescape")

    def _failed(self, protocol: EngineProtocol, reason: str) -> EngineError:
        self._health.failed(reason)
        if protocol.silent_s > HUNG_S:
            protocol.end(f"no answer within {HUNG_S:g} s")
        elif "READONLY" in reason:  # it is a replica now: Sentinel, or the name, leads elsewhere
            protocol.end(reason)
        return EngineError(reason)

    async def _use(self, protocol: EngineProtocol) -> None:
        if protocol.policy != KEEPS_ALL:
            self._health.may_evict(protocol.policy)
        self._protocol = protocol
        self.connected()
        try:
            await protocol.lost
        finally:
            self._protocol = None
