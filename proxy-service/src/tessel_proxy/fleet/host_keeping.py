"""Keeps the operator's rules and the usage for the members of a host, in its first process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tessel_proxy.fleet.host_refusals import HostRefusals
from tessel_proxy.operations import Rule, Usage, UsageError, UsageKeeping, UsagePage, UsageQuestion

HOW_TO_KEEP = "usage is not kept: set USAGE_FILE, or FLEET_URL"


class HostKeeping:
    """Starts and stops what is kept, and serves the members' calls."""

    def __init__(self, refusals: HostRefusals, usage: UsageKeeping | None) -> None:
        """`usage` None: it is not kept."""
        self.refusals = refusals
        self.usage = usage

    def start(self) -> None:
        """Begin to write."""
        self.refusals.start()
        if self.usage is not None:
            self.usage.start()

    async def stop(self) -> None:
        """Write what waits, and close the files."""
        if self.usage is not None:
            await self.usage.stop()
        await self.refusals.stop()

    def rules_after(self, rule_id: str) -> Sequence[Rule]:
        """Return rules in the order of their ids; see HostRefusals."""
        return self.refusals.rules_after(rule_id)

    def reported(self, member: str, number: int, more: Mapping[str, Usage]) -> None:
        """Count a member's report of usage; see UsageKeeping."""
        if self.usage is not None:
            self.usage.reported(member, number, more)

    def forget(self, member: str) -> None:
        """Forget a member that has ended; what it has reported stays."""
        if self.usage is not None:
            self.usage.forget(member)

    async def read_usage(self, question: UsageQuestion) -> UsagePage:
        """Return a page of usage; raises UsageError, also if it is not kept."""
        if self.usage is None:
            raise UsageError(HOW_TO_KEEP)
        return await self.usage.read(question)
