"""The interface for refusing: what the HTTP API and the command line call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from tessel_proxy.operations.rules import Rule


class RefusalsError(Exception):
    """A rule could not be added or removed: the state that hosts share, or a file, is away."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Which members have a change of the rules, and which will have it when they can be reached.

    `kept`: whether the change outlives a restart of the proxy.
    """

    confirmed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    kept: bool = False


class Refusals(Interface):
    """The rules by which the operator refuses devices, of one process, one host or a fleet."""

    async def refuse(self, rule: Rule) -> Spread:
        """Add a rule, or replace the one for the same subject; end the tunnels that it covers.

        Raises TooManyRulesError, and RefusalsError if nothing was changed.
        """

    async def allow(self, rule_id: str) -> Spread | None:
        """Remove a rule; None: there is none with this id. Raises RefusalsError as `refuse`."""

    def rules(self) -> Sequence[Rule]:
        """Return the rules in force, ordered by id."""
