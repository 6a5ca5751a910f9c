"""Data and services that all substreams of one tunnel share."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.relay.early_data import TUNNEL_BYTES
from tessel_proxy.relay.reading import Reading
from tessel_proxy.targets.opening import Opener


@dataclass(slots=True, kw_only=True, eq=False)
class TunnelContext:
    """The services, account, features and limits that all substreams of one tunnel share.

    Only `early_bytes_left` changes: the bytes of early data that the substreams may still keep. It
    is no object of its own, since every idle tunnel would have one.
    """

    opener: Opener
    clock: IReactorTime
    account: str
    half_close: bool
    usage: AccountUsage
    reading: Reading
    idle_s: float  # seconds; 0: no timeout
    early_bytes_left: int = TUNNEL_BYTES
