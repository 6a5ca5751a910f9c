"""The state that all tunnels of one proxy share."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

from streamplex.conversation import Refused
from streamplex.tx.timers import SharedTimers
from tessel_proxy.auth import Authenticator, RecheckQueue
from tessel_proxy.auth.checking import Guesses
from tessel_proxy.auth.recheck import RecheckRules
from tessel_proxy.auth.token_memory import Digest, fresh_digest
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.penalties import Penalties
from tessel_proxy.records.accounting import NoWitness, TunnelRecord, Witness
from tessel_proxy.records.ends import TunnelOutcome
from tessel_proxy.records.repeated_lines import EachLine, LogLines
from tessel_proxy.targets.opening import Opener
from tessel_proxy.tunnel.joining import Invites, NoInvitations
from tessel_proxy.tunnel.settings import TunnelSettings


class OpenTunnel(Interface):
    """An interface of a device's tunnel, for the drain, the memory watch and newer tunnels.

    `Session` implements it and explains the methods.
    """

    def drain(self, after_ms: int) -> bool: ...
    def ask_to_move(self, after_ms: int) -> bool: ...
    @property
    def held_bytes(self) -> int: ...
    def give_up_unanswered(self, limit_s: float) -> None: ...
    def end_for_memory(self) -> None: ...
    def replace(self, newer: TunnelRecord) -> None: ...
    def move_away(self, member: str) -> None: ...
    def check_again(self) -> None: ...
    def check_in_turn(self) -> None: ...
    def dismiss(self, said: Refused, outcome: TunnelOutcome) -> None: ...
    @property
    def peer(self) -> str: ...
    @property
    def record(self) -> TunnelRecord: ...
    @property
    def stage(self) -> str: ...
    @property
    def tls(self) -> tuple[str, str] | None: ...
    @property
    def owner(self) -> DeviceKey | None: ...
    @property
    def age_s(self) -> float: ...
    @property
    def is_idle(self) -> bool: ...
    def end_if_idle(self) -> None: ...
    def stop(self) -> None: ...
    def abort(self) -> None: ...


class Places(Interface):
    """The tunnels of accounts, counted together with other processes.

    `take` returns whether the account may have one more tunnel, for this device (None: without a
    name). The tunnel opens at once then. It does not fail. `left` is called when a named device has
    no tunnel here any more.
    """

    async def take(self, account: str, device: str | None) -> bool: ...
    def left(self, account: str, device: str) -> None: ...


class OperatorsRefusals(Interface):
    """The rules by which the operator refuses devices.

    `of_owner` returns the answer to a device of this account (`device` None: it has no name), or
    None if it may connect. `of_address` returns whether an address may not connect.
    """

    def of_owner(self, account: str, device: str | None) -> Refused | None: ...
    def of_address(self, host: str) -> bool: ...


class NobodyRefused:
    """An OperatorsRefusals without rules."""

    def of_owner(self, account: str, device: str | None) -> None:
        """Return None: every device may connect."""

    def of_address(self, host: str) -> bool:  # noqa: ARG002 -- see above
        """Return False: every address may connect."""
        return False


class DeviceKey(NamedTuple):
    """The key of a device: its account and its name (device/1), unique within the account only."""

    account: str
    name: str


@dataclass(slots=True)
class TunnelRegistry:
    """The sets of open tunnels: all, unauthenticated, in a TLS handshake, closing, and by device.

    All others are open and authenticated. So whoever looks for those that change needs to visit
    only the sets of a few.
    """

    all: set[OpenTunnel] = field(default_factory=set)
    unauthenticated: set[OpenTunnel] = field(default_factory=set)
    handshaking: set[OpenTunnel] = field(default_factory=set)  # a subset of `unauthenticated`
    closing: set[OpenTunnel] = field(default_factory=set)  # until the device closes its end, too
    by_device: dict[DeviceKey, OpenTunnel] = field(
        default_factory=dict
    )  # the newest tunnel of each


@dataclass(frozen=True, slots=True)
class SharedState:
    """The settings and services that all tunnels of one proxy use."""

    config: TunnelSettings
    clock: IReactorTime
    authenticator: Authenticator
    opener: Opener
    limits: AccountLimits
    penalties: Penalties
    tunnels: TunnelRegistry = field(default_factory=TunnelRegistry)
    witness: Witness = field(default_factory=NoWitness)
    lines: LogLines = field(default_factory=EachLine)
    digest: Digest = field(default_factory=fresh_digest)  # of tokens, for the penalties
    jitter: Callable[[], float] = random.random  # from 0 to 1
    places: Places | None = None  # None: no other process serves the accounts
    guesses: Guesses | None = None  # as `places`
    refusals: OperatorsRefusals = field(default_factory=NobodyRefused)
    invitations: Invites = field(default_factory=NoInvitations)
    rechecks: RecheckRules = field(init=False)  # of tokens of open tunnels
    timers: SharedTimers = field(init=False)  # of pings and rechecks

    def __post_init__(self) -> None:
        timers = SharedTimers(self.clock)
        rules = RecheckRules(
            authenticator=self._recheck_queue(),
            first=self._recheck_queue(),  # of those that the operator names
            timers=timers,
            every_s=self.config.auth_recheck_s,
            jitter=self.jitter,
        )
        object.__setattr__(self, "timers", timers)
        object.__setattr__(self, "rechecks", rules)

    def _recheck_queue(self) -> RecheckQueue:
        return RecheckQueue(self.authenticator, self.digest, self.clock)
