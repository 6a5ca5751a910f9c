"""Notices: what an engine reports to all members of a fleet, or to one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred

from tessel_proxy.operations import Rule

KEPT_NOTICES: Final = 10_000
"""Notices that an engine keeps for members that could not be reached, the oldest dropped first."""

KEPT_NOTICES_S: Final = 3600.0
"""Seconds for which they are kept. A member that was away for longer treats its tokens as doubtful:
it checks all of them again."""


@dataclass(frozen=True, slots=True)
class DeviceMoved:
    """A device has a newer tunnel on `member`: all others cut their tunnel of this device.

    `age_s`: seconds since that tunnel was admitted, as far as the notice has waited. A tunnel that
    has come later stays.
    """

    account: str
    device: str
    member: str
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TokensRevoked:
    """Tokens of an account may have become invalid: each member checks them again now.

    Results that are remembered do not count. `account` None: those of all accounts.
    """

    account: str | None


@dataclass(frozen=True, slots=True)
class TunnelsEnded:
    """The operator ends the tunnels of an account, or of one of its devices if `device` is given.

    The devices may connect again. `reason` is sent to them. `age_s`: seconds since the command, for
    members that could not be reached then. Tunnels that were opened after it stay.
    """

    account: str
    device: str | None = None
    reason: str = ""
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleAdded:
    """The operator refuses an account, device or address: the tunnels that it covers are ended."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    """The operator has removed a rule."""

    rule_id: str


@dataclass(frozen=True, slots=True)
class CountAsked:
    """The engine needs a member's count of an account's tunnels, before it refuses one elsewhere.

    The member gives up its places and calls `exchange` for the account. Only LocalEngine asks.
    """

    account: str


Notice: TypeAlias = (
    DeviceMoved | TokensRevoked | TunnelsEnded | RuleAdded | RuleRemoved | CountAsked
)


@dataclass(frozen=True, slots=True)
class Confirmations:
    """Which live members have acted on a notice within the time of the call, and which have not.

    Those that have not will when they can be reached again, within KEPT_NOTICES_S.
    """

    confirmed: tuple[str, ...]
    missing: tuple[str, ...]


Hear: TypeAlias = Callable[[Notice], "Deferred[Any] | None"]
"""Acts on a notice. Its return is the confirmation; a Deferred confirms when it fires, for a hearer
that passes the notice on to another process, and one that fails does not confirm."""
