"""The interface to what the process that owns an engine keeps for the members of its host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol as Interface

from tessel_proxy.fleet.engine import Engine
from tessel_proxy.operations import Rule, Usage


class Kept(Interface):
    """The interface to what a host keeps for its members; HostKeeping explains the methods."""

    def rules_after(self, rule_id: str) -> Sequence[Rule]: ...
    def reported(self, member: str, number: int, more: Mapping[str, Usage]) -> None: ...


class NothingKept:
    """A Kept without rules and usage."""

    def reported(self, member: str, number: int, more: Mapping[str, Usage]) -> None:
        """Ignore usage."""

    def rules_after(self, rule_id: str) -> Sequence[Rule]:  # noqa: ARG002 -- the interface's
        """Return no rules."""
        return ()


class HostEngine(Engine, Interface):
    """The engine of the process that owns what its host keeps."""

    kept: Kept
