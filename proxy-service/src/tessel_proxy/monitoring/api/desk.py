"""Answers an operator's questions and commands, behind the HTTP API and its events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tessel_proxy.fleet.notices import Confirmations, Notice, TokensRevoked, TunnelsEnded
from tessel_proxy.operations import (
    Refusals,
    Rule,
    UsageError,
    UsagePage,
    UsageQuestion,
    merging,
)
from tessel_proxy.operations.process import Answers, Parts
from tessel_proxy.operations.requests import usage_as_json

EVERYTHING: Final = {"account": None, "device": None, "address": None}
MAX_USAGE_ROWS: Final = 10_000
"""Rows of one answer about usage."""

Row = dict[str, Any]


class NotAnsweredError(Exception):
    """Raised if the processes that can answer did not do so in time; the text names them."""


class NotThereError(Exception):
    """Raised if something that the operator named does not exist; the text says what."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The state that hosts share, as it is shown. `url` None: there is none."""

    url: str | None = None
    is_away: Callable[[], bool] = lambda: False


class Desk:
    """Asks all processes, joins their answers, and spreads commands."""

    def __init__(
        self,
        *,
        answers: Answers,
        publish: Callable[[Notice], Awaitable[Confirmations]],
        refusals: Refusals,
        read_usage: Callable[[UsageQuestion], Awaitable[UsagePage]],
        wall_time: Callable[[], float],
        engine: Engine,
        upgrade: Callable[[], Awaitable[str | None]],
        let_others_run: Callable[[], Awaitable[None]],
    ) -> None:
        """`publish` sends all processes a notice. `upgrade` returns None, or why it failed.

        `let_others_run` returns after the reactor has done what else there is.
        """
        self.answers = answers
        self._publish = publish
        self._refusals = refusals
        self._read_usage = read_usage
        self._wall_time = wall_time
        self._engine = engine
        self._upgrade = upgrade
        self._let_others_run = let_others_run

    async def tunnels(
        self, limit: int, after: str, account: str | None, device: str | None, address: str | None
    ) -> Row:
        """Return a page of tunnels."""
        parts = await self.answers.ask(
            "tunnels",
            {
                "account": account,
                "device": device,
                "address": address,
                "limit": limit,
                "after": after,
            },
        )
        return merging.page_of_tunnels(parts.found, limit) | {"missing": parts.missing}

    async def tunnel(self, tunnel_id: str) -> Row:
        """Return a tunnel with its open substreams; raises NotThereError, and
        NotAnsweredError.
        """
        parts = await self.answers.ask("tunnel", {"tunnel_id": tunnel_id})
        if not parts.found:
            raise _no_tunnel(tunnel_id, parts)
        found: Row = parts.found[0]
        return found

    async def end_tunnel(self, tunnel_id: str, reason: str) -> Row:
        """End a tunnel; raises NotThereError."""
        parts = await self.answers.ask("end_tunnel", {"tunnel_id": tunnel_id, "reason": reason})
        if not parts.found:
            raise _no_tunnel(tunnel_id, parts)
        confirmed = [member for member, answer in parts.answers.items() if answer is not None]
        return {"ended": 1, "confirmed": confirmed, "missing": []}

    async def end(self, account: str, device: str | None, reason: str) -> Row:
        """End the tunnels of an account or a device. Raises EngineError."""
        ended = await self._count(account=account, device=device)
        done = await self._publish(TunnelsEnded(account, device, reason))
        return {"ended": ended} | _spread(done)

    async def _count(self, **selection: str | None) -> int:
        page = await self.tunnels(0, "", **(EVERYTHING | selection))
        total: int = page["total"]
        return total

    async def check_tokens(self, account: str | None) -> Row:
        """Let all processes check tokens again. Raises EngineError."""
        return _spread(await self._publish(TokensRevoked(account)))

    async def accounts(self, limit: int, after: str) -> Row:
        """Return a page of accounts, with the bytes of today where usage is kept.

        It may have less rows than `limit` although others follow.
        """
        parts = await self.answers.ask("accounts", {"limit": limit, "after": after})
        found = merging.accounts(parts.found, limit)
        page = found["rows"][:limit]
        today = await self._bytes_today()
        for row in page:
            row["bytes_today"] = None if today is None else today.get(row["account"], 0)
        has_more = found["more"] or len(found["rows"]) > len(page)
        last = page[-1]["account"] if page and has_more else None
        return {"accounts": page, "next": last, "missing": parts.missing}

    async def _bytes_today(self) -> Mapping[str, int] | None:
        today = f"{datetime.fromtimestamp(self._wall_time(), UTC):%F}"
        question = UsageQuestion(first=today, last=today, limit=MAX_USAGE_ROWS)
        try:
            page = await self._read_usage(question)
        except UsageError:
            return None
        return {
            row.account: row.usage.bytes_from_device + row.usage.bytes_from_target
            for row in page.rows
        }

    async def proxies(self) -> Row:
        """Return a row for each process."""
        parts = await self.answers.ask("proxies", {})
        engine = {"url": self._engine.url, "away": self._engine.is_away()}
        rows = sorted(parts.found, key=lambda row: row["member"])
        return {"proxies": rows, "engine": engine, "missing": parts.missing}

    async def history(self) -> Row:
        """Return the last hour."""
        parts = await self.answers.ask("history", {})
        if not parts.found:
            raise NotAnsweredError(f"no answer from {', '.join(parts.missing) or 'any process'}")
        hours = merging.Hours()
        for each in parts.found:  # a hundred hosts at once would take a tenth of a second
            hours.add(each)
            await self._let_others_run()
        return hours.shown() | {"missing": parts.missing}

    def refused(self) -> Sequence[Row]:
        """Return the rules by which devices are refused."""
        return [each.as_json() for each in self._refusals.rules()]

    async def refuse(self, rule: Rule) -> Row:
        """Add a rule. Raises TooManyRulesError and RefusalsError."""
        covered = await self.answers.ask("covered", {"rule": rule.as_json()})
        spread = await self._refusals.refuse(rule)
        return rule.as_json() | {
            "ended": sum(covered.found),
            "kept": spread.kept,
            "confirmed": list(spread.confirmed),
            "missing": list(spread.missing),
        }

    async def allow(self, rule_id: str) -> Row:
        """Remove a rule. Raises NotThereError and RefusalsError."""
        spread = await self._refusals.allow(rule_id)
        if spread is None:
            raise NotThereError(f"there is no rule {rule_id}")
        return {"confirmed": list(spread.confirmed), "missing": list(spread.missing)}

    async def rebalance(self, member: str | None, tunnels: int | None, share: float | None) -> Row:
        """Ask some devices to reconnect elsewhere: a number of all, or a share of each process."""
        arguments: Row = {"member": member, "tunnels": tunnels, "share": share}
        missing: set[str] = set()
        if member is None and tunnels is not None:
            counted = await self.answers.ask("proxies", {})
            missing.update(counted.missing)
            open_now = {name: row["tunnels"] for name, row in counted.answers.items() if row}
            arguments["each"] = merging.divided(tunnels, open_now)
        asked = await self.answers.ask("rebalance", arguments)
        return {"asked": sum(asked.found), "missing": sorted(missing.union(asked.missing))}

    async def drain(self, member: str | None) -> Row:
        """Stop a process, or all, as SIGTERM does. Raises NotThereError."""
        parts = await self.answers.ask("drain", {"member": member})
        draining = [name for name, begun in parts.answers.items() if begun]
        if not draining:
            raise NotThereError(f"there is no process {member}")
        return {"draining": draining, "missing": parts.missing}

    async def usage(self, question: UsageQuestion) -> Row:
        """Return rows of usage by day and account. Raises UsageError."""
        return usage_as_json(await self._read_usage(question))

    async def upgrade(self) -> str | None:
        """Start workers of the installed code; return None, or why it failed."""
        return await self._upgrade()

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._wall_time()


def _no_tunnel(tunnel_id: str, parts: Parts) -> NotThereError | NotAnsweredError:
    """Return why a tunnel was not found: a process that has not answered may have it."""
    if parts.missing:
        missing = ", ".join(parts.missing)
        return NotAnsweredError(f"tunnel {tunnel_id} may be open: no answer from {missing}")
    return NotThereError(f"no tunnel {tunnel_id} is open")


def _spread(done: Confirmations) -> Row:
    return {"confirmed": list(done.confirmed), "missing": list(done.missing)}
