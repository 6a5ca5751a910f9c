"""What all tunnels of one proxy share."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.auth import Authenticator
from tessel_proxy.auth.token_memory import Digest, fresh_digest
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.penalties import Penalties
from tessel_proxy.records.accounting import NoWitness, TunnelRecord, Witness
from tessel_proxy.records.repeated_lines import EachLine, LogLines
from tessel_proxy.targets.opening import Opener
from tessel_proxy.tunnel.settings import TunnelSettings


class Tunnel(Interface):
    """A device's tunnel, as far as the house has to do with it."""

    def drain(self, after_ms: int) -> bool: ...
    @property
    def held_bytes(self) -> int: ...
    def give_up_unanswered(self, limit_s: float) -> None: ...
    def end_for_memory(self) -> None: ...
    def replace(self, newer: TunnelRecord) -> None: ...
    @property
    def is_idle(self) -> bool: ...
    def end_if_idle(self) -> None: ...
    def stop(self) -> None: ...
    def abort(self) -> None: ...


class Device(NamedTuple):
    """A device by its name (device/1). A name means something within its account alone."""

    account: str
    name: str


@dataclass(slots=True)
class Census:
    """The tunnels there are, and those among them that nobody answers for yet."""

    all: set[Tunnel] = field(default_factory=set)
    unauthenticated: set[Tunnel] = field(default_factory=set)
    handshaking: set[Tunnel] = field(default_factory=set)  # of those, whose TLS is not done
    devices: dict[Device, Tunnel] = field(default_factory=dict)  # the newest tunnel of each


@dataclass(frozen=True, slots=True)
class House:
    """The settings, and those who work for every tunnel."""

    config: TunnelSettings
    clock: IReactorTime
    authenticator: Authenticator
    opener: Opener
    limits: AccountLimits
    penalties: Penalties
    census: Census = field(default_factory=Census)
    witness: Witness = field(default_factory=NoWitness)
    lines: LogLines = field(default_factory=EachLine)
    digest: Digest = field(default_factory=fresh_digest)  # of tokens, for the penalties
    jitter: Callable[[], float] = random.random  # from 0 to 1
