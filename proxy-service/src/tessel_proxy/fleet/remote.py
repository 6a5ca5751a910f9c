"""The engine as a worker sees it: calls to the supervisor over AMP, each with a deadline."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.protocols.amp import RemoteAmpError

from tessel_proxy.fleet.engine import (
    CALL_TIMEOUT_S,
    NOBODY,
    Admission,
    Demand,
    EngineError,
    Slice,
    Totals,
)
from tessel_proxy.fleet.notices import Confirmations, Hear, Notice
from tessel_proxy.fleet.parted import all_of, in_parts, parts_of
from tessel_proxy.fleet.wire import (
    dump_demand,
    dump_notice,
    dumped,
    load_admission,
    load_confirmations,
    load_rules,
    load_slice,
    load_totals,
)
from tessel_proxy.operations import Rule, Usage

ACCOUNTS_PER_CALL: Final = 128
"""Accounts in one exchange: the supervisor serves nobody else meanwhile."""

RULES_TIMEOUT_S: Final = 10.0
"""Seconds to wait for a page of rules: a worker starts only with them, also on a busy host."""

Call = Callable[[str, bytes], Deferred[bytes]]
"""Sends the name of a method and its arguments as JSON; returns the result as JSON."""


class RemoteEngine:
    """An Engine that calls the engine of the supervisor.

    The supervisor knows which member a worker is, so the argument `member` is not sent. How many
    wrong tokens of a source count is not asked: the supervisor says it whenever it changes, so the
    check of a token makes no call. With `asks_levels` it is asked: other hosts count them, too.
    """

    asks_levels = False

    def __init__(self, call: Call, clock: IReactorTime) -> None:
        self._send = call
        self._clock = clock
        self._wrong: dict[str, tuple[float, float]] = {}  # level, and when it came
        self.hear: Hear = lambda _notice: None

    async def _call(self, method: str, *values: object, within_s: float = CALL_TIMEOUT_S) -> Any:
        sent = self._send(method, dumped(values))
        sent.addTimeout(within_s, self._clock)
        try:
            return json.loads(await sent)
        except RemoteAmpError as error:
            raise EngineError(error.description) from error
        except (TookTooLongError, ConnectionClosed) as error:
            raise EngineError(f"no answer from the supervisor to {method}") from error

    async def renew(self, member: str) -> Sequence[str]:  # noqa: ARG002 -- see above
        """See Engine."""
        names: Sequence[str] = await self._call("renew")
        return names

    async def leave(self, member: str) -> None:  # noqa: ARG002 -- as above
        """See Engine."""
        await self._call("leave")

    async def admit(
        self,
        member: str,  # noqa: ARG002 -- as above
        account: str,
        device: str | None,
        own: int,
        limit: int,
        *,
        departed: Sequence[str] = (),
    ) -> Admission:
        """See Engine."""
        return load_admission(await self._call("admit", account, device, own, limit, [*departed]))

    async def exchange(
        self,
        member: str,  # noqa: ARG002 -- as above
        demands: Mapping[str, Demand],
        arrived: Sequence[tuple[str, str]] = (),
        *,
        departed: Mapping[str, Sequence[str]] = NOBODY,
    ) -> Mapping[str, Totals]:
        """See Engine. Many accounts take several calls, which are sent together."""
        parts = list(parts_of(demands.items(), departed, ACCOUNTS_PER_CALL)) or [[]]
        arrivals = list(in_parts(arrived, ACCOUNTS_PER_CALL)) or [[]]
        calls = [self._exchange(dict(part), (), departed) for part in parts[:-1]]
        calls.append(self._exchange(dict(parts[-1]), arrivals[0], departed))
        calls += [self._exchange({}, part, NOBODY) for part in arrivals[1:]]
        totals: dict[str, Totals] = {}
        for found in await all_of(calls):
            totals.update(found)
        return totals

    async def _exchange(
        self,
        demands: Mapping[str, Demand],
        arrived: Sequence[tuple[str, str]],
        departed: Mapping[str, Sequence[str]],
    ) -> Mapping[str, Totals]:
        values = {account: dump_demand(demand) for account, demand in demands.items()}
        names = {account: [*departed[account]] for account in demands if account in departed}
        answer = await self._call("exchange", values, arrived, names)
        return {account: load_totals(each) for account, each in answer.items()}

    async def take_bytes(self, account: str, wanted: int, limit: int) -> Slice:
        """See Engine."""
        return load_slice(await self._call("take_bytes", account, wanted, limit))

    async def give_back_bytes(self, account: str, nbytes: int) -> None:
        """See Engine."""
        await self._call("give_back_bytes", account, nbytes)

    async def wrong_tokens(self, source: str, more: int, allowance: int, refill_s: float) -> float:
        """See Engine. Only a wrong token makes a call; to read costs none."""
        if more or self.asks_levels:
            level: float = await self._call("wrong_tokens", source, more, allowance, refill_s)
            return level
        known = self._wrong.get(source)
        if known is None:
            return 0.0
        level, at = known
        level -= (self._clock.seconds() - at) * allowance / refill_s
        if level <= 0.0:
            del self._wrong[source]
        return max(0.0, level)

    def guessed(self, source: str, level: float) -> None:
        """Called when the supervisor says how many wrong tokens of a source count now."""
        self._wrong.pop(source, None)
        self._wrong[source] = (level, self._clock.seconds())
        if len(self._wrong) > MAX_SOURCES:
            del self._wrong[next(iter(self._wrong))]

    async def publish(self, notice: Notice) -> Confirmations:
        """See Engine."""
        return load_confirmations(await self._call("publish", dump_notice(notice).decode()))

    async def rules(self) -> Sequence[Rule]:
        """Return all rules of the operator. Notices that come meanwhile are newer."""
        found: list[Rule] = []
        last = ""
        while page := await self._call("rules_after", last, within_s=RULES_TIMEOUT_S):
            found += load_rules(page)
            last = found[-1].id
        return found

    async def reported(self, number: int, more: Mapping[str, Usage]) -> None:
        """Report what accounts have used since the last report; see UsageReports."""
        await self._call("reported", number, {name: each.numbers for name, each in more.items()})

    def listen(self, member: str, hear: Hear) -> None:  # noqa: ARG002 -- as above
        """See Engine."""
        self.hear = hear


MAX_SOURCES: Final = 16_384
"""Sources to remember, as many as the supervisor does. The oldest are dropped."""
