"""What the substreams of one tunnel have in common."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.relay.early_data import Allowance
from tessel_proxy.relay.reading import Reading
from tessel_proxy.targets.opening import Opener


@dataclass(frozen=True, slots=True)
class TunnelContext:
    """Who works for them, whose they are, and what they may."""

    opener: Opener
    clock: IReactorTime
    account: str
    tunnel: int
    half_close: bool
    allowance: Allowance
    usage: AccountUsage
    reading: Reading
    idle_s: float  # 0: for ever
