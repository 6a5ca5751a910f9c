"""Data and services that all substreams of one tunnel share."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.relay.early_data import Allowance
from tessel_proxy.relay.reading import Reading
from tessel_proxy.targets.opening import Opener


@dataclass(frozen=True, slots=True)
class TunnelContext:
    """The services, account, features and limits that all substreams of one tunnel share."""

    opener: Opener
    clock: IReactorTime
    account: str
    tunnel: int
    half_close: bool
    allowance: Allowance
    usage: AccountUsage
    reading: Reading
    idle_s: float  # seconds; 0: no timeout
