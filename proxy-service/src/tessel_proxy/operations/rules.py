"""Rules by which the operator refuses accounts, devices and addresses: checked when made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from ipaddress import ip_network
from typing import Any, Final, Self, TypeAlias

from streamplex.conversation import MAX_DEVICE_CHARACTERS, MAX_MESSAGE_CHARACTERS, shown_message
from tessel_proxy.front.networks import Network, plain_address

MAX_ACCOUNT_CHARACTERS: Final = 256
"""Longer names exist in no table of accounts; a limit keeps 10,000 rules within a few MiB."""

MAX_BY_CHARACTERS: Final = 100
"""Who made the rule: "token", "session", or "unix:uid=1000"."""

MAX_FOR_S: Final = 100 * 366 * 86_400.0
"""A rule that is to last longer has no end."""

Subject: TypeAlias = tuple[str | None, str | None, str | None]
"""Whom a rule refuses: account, device and address."""


class RuleError(ValueError):
    """The arguments of a rule cannot be used; the text says which, and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The operator refuses an account, one of its devices, or an address, until a time.

    `account` alone: all its devices. `device` needs `account`. `address` is an IP address or a
    network. `until_at` and `since_at` are seconds since 1970; `until_at` None: without an end.
    `reason` is sent to the device. `by` says who made the rule. `id` follows from whom it refuses:
    a second rule for the same replaces the first.
    """

    id: str
    account: str | None
    device: str | None
    address: str | None
    until_at: float | None
    reason: str
    by: str
    since_at: float

    @property
    def subject(self) -> Subject:
        """The account, device or address that the rule refuses."""
        return self.account, self.device, self.address

    @property
    def network(self) -> Network | None:
        """The addresses that the rule refuses; None: it refuses an account or device."""
        return None if self.address is None else ip_network(self.address)

    def is_over(self, now: float) -> bool:
        """Return whether the rule has ended; `now`: seconds since 1970."""
        return self.until_at is not None and self.until_at <= now

    def covers(self, account: str, device: str | None) -> bool:
        """Return whether the rule refuses this device of this account."""
        return self.account == account and self.device in (None, device)

    def as_json(self) -> dict[str, Any]:
        """Return the rule as a JSON object."""
        return asdict(self)

    @classmethod
    def made(
        cls,
        *,
        account: str | None = None,
        device: str | None = None,
        address: str | None = None,
        until_at: float | None = None,
        reason: str,
        by: str,
        now: float,
    ) -> Self:
        """Return a new rule; raises RuleError if the arguments cannot be used.

        `now` is its `since_at`. An address is written as the network that it is in.
        """
        _check_subject(account, device, address)
        network = None if address is None else str(_network(address))
        if until_at is not None and not now < until_at <= now + MAX_FOR_S:
            raise RuleError("the end of the rule: expected a time that is still to come")
        said = shown_message(reason)
        if not said:
            raise RuleError(
                f"reason={reason!r:.40}: expected 1 to {MAX_MESSAGE_CHARACTERS} characters"
            )
        return cls(
            id=rule_id((account, device, network)),
            account=account,
            device=device,
            address=network,
            until_at=until_at,
            reason=said,
            by=shown_message(by)[:MAX_BY_CHARACTERS],
            since_at=now,
        )

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the rule that `as_json` made; raises RuleError for everything else."""
        if not isinstance(value, Mapping):
            raise RuleError(f"a rule is an object, not {value!r:.40}")
        texts = {name: _text_or_none(value, name) for name in ("account", "device", "address")}
        since_at, until_at = _time(value, "since_at"), _time_or_none(value, "until_at")
        made = cls.made(
            **texts,
            reason=_text(value, "reason"),
            by=_text(value, "by"),
            now=since_at,
            until_at=until_at,
        )
        if made.id != value.get("id"):
            raise RuleError(f"id={value.get('id')!r:.40}: expected {made.id}")
        return made


def rule_id(subject: Subject) -> str:
    """Return the id of the rule for a subject: the same in each process of a fleet."""
    text = "\0".join("" if each is None else each for each in subject)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _check_subject(account: str | None, device: str | None, address: str | None) -> None:
    if (account is None) == (address is None):
        raise RuleError("expected either an account, or an address")
    if device is not None and account is None:
        raise RuleError("a device needs the account that it belongs to")
    for name, value, most in (
        ("account", account, MAX_ACCOUNT_CHARACTERS),
        ("device", device, MAX_DEVICE_CHARACTERS),
    ):
        if value is not None and not (0 < len(value) <= most and value.isprintable()):
            raise RuleError(f"{name}={value!r:.40}: expected 1 to {most} printable characters")


def _network(text: str) -> Network:
    try:
        found = ip_network(text)
    except ValueError:
        raise RuleError(_what_is_meant(text)) from None
    if found.prefixlen == found.max_prefixlen:  # one address: IPv4 that is mapped into IPv6 as IPv4
        found = ip_network(plain_address(str(found.network_address)))
    if not found.prefixlen:
        raise RuleError(f"address={text}: this would refuse everybody; drain the proxy instead")
    return found


def _what_is_meant(text: str) -> str:
    try:
        return f"address={text}: expected {ip_network(text, strict=False)}, or an address"
    except ValueError:
        return f"address={text!r:.60}: expected an IP address, or a network such as 10.0.0.0/8"


def _text(value: Mapping[str, object], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise RuleError(f"{name}={found!r:.40}: expected text")
    return found


def _text_or_none(value: Mapping[str, object], name: str) -> str | None:
    return None if value.get(name) is None else _text(value, name)


def _time(value: Mapping[str, object], name: str) -> float:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise RuleError(f"{name}={found!r:.40}: expected seconds since 1970")
    return float(found)


def _time_or_none(value: Mapping[str, object], name: str) -> float | None:
    return None if value.get(name) is None else _time(value, name)
