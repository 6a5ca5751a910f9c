"""Settings of the egress policy: which targets devices may reach."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tessel_proxy.egress.rules import EgressMode, Rule, narrow_rules, rules
from tessel_service_kit.parsers import one_of, optional
from tessel_service_kit.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class EgressSettings(Settings):
    """The settings that decide which targets devices may reach."""

    egress_mode: EgressMode = setting(
        "EGRESS_MODE",
        "enforce",
        "enforce: loopback, private and other internal addresses are refused, and targets that a "
        "rule denies; report: the same targets are allowed, and each such connection is logged; "
        "open: only targets that a rule denies are refused",
        one_of(EgressMode),
    )
    egress_allow: tuple[Rule, ...] = setting(
        "EGRESS_ALLOW",
        "",
        "internal targets that devices may reach with EGRESS_MODE=enforce: networks, addresses, "
        "names and .suffixes, each with optional :ports, separated by spaces or commas; unset: "
        "none",
        narrow_rules,
    )
    egress_deny: tuple[Rule, ...] = setting(
        "EGRESS_DENY",
        "",
        "targets that are refused, written as in EGRESS_ALLOW, or * for all; it takes precedence "
        "over EGRESS_ALLOW; unset: none",
        rules,
    )
    policy_file: Path | None = setting(
        "POLICY_FILE",
        "",
        "file of egress rules for each account; read again on SIGHUP and when it changes; unset: "
        "the same rules for all accounts",
        optional(Path),
    )
