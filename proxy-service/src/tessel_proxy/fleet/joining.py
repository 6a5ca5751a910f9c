"""Make a process a member of a fleet: its name, its limits, and the wrong tokens that count."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import Engine, EngineError
from tessel_proxy.fleet.member import Member
from tessel_proxy.fleet.notices import Hear
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.penalties import REFILL_S
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.tunnel.settings import TunnelSettings
from tessel_proxy.tunnel.shared_state import DeviceKey, TunnelRegistry


def member_name() -> str:
    """Return a name for this process that no other one has or will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The name and the engine that make a process a member of a fleet.

    `workers`: the number of processes of this host.
    """

    member: str
    workers: int
    engine: Engine


def member_of(
    fleet: Fleet,
    config: TunnelSettings,
    clock: IReactorTime,
    limits: AccountLimits,
    *,
    tunnels: TunnelRegistry,
    hear: Hear,
) -> Member:
    """Return this process as a member, which acts on notices with `hear`."""

    def is_here(account: str, device: str) -> bool:
        return DeviceKey(account, device) in tunnels.by_device

    return Member(
        fleet.member,
        fleet.engine,
        clock,
        config,
        limits,
        workers=fleet.workers,
        hear=hear,
        is_here=is_here,
    )


class SharedGuesses:
    """Counts wrong tokens together with the other members: the `guesses` of the token checks.

    `allowance`: wrong tokens of a source that are allowed, as MAX_WRONG_TOKENS says.
    """

    _log = Logger()

    def __init__(self, engine: Engine, allowance: int) -> None:
        self._engine = engine
        self._allowance = allowance

    async def level(self, source: str) -> float | None:
        """Return how many wrong tokens of a source count now; None: not known. See Guesses."""
        try:
            return await self._engine.wrong_tokens(source, 0, self._allowance, REFILL_S)
        except EngineError:
            return None

    def wrong(self, source: str) -> None:
        """Count a wrong token; without the engine, it counts in this process only."""
        called = self._engine.wrong_tokens(source, 1, self._allowance, REFILL_S)
        Deferred.fromCoroutine(called).addErrback(self._not_counted)

    def _not_counted(self, failure: Failure) -> None:
        if failure.check(EngineError) is None:  # else the engine's health reports it
            self._log.failure(
                "a wrong token was not counted",
                failure=failure,
                error=ErrorCode.INTERNAL_ERROR.value,
            )
