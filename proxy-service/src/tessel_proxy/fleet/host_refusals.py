"""The operator's rules on one host: changed by commands, kept in a file or by the fleet's engine.

The process that owns the list is the supervisor, or the only process. Processes that serve devices
hear of changes by notices; a new one asks for all rules first.

The list is a copy if hosts share an engine. It follows the engine's notices, and is compared with
the engine after each reconnect and now and then. While the engine is away, the copy stays in
force.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from twisted.internet.defer import Deferred

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.notices import Confirmations, Notice, RuleAdded, RuleRemoved
from tessel_proxy.operations import RefusalList, RefusalsError, Rule, Spread, TooManyRulesError
from tessel_proxy.operations.one_thread import OneThread
from tessel_proxy.operations.refusals_file import KeptRules, RefusalsFile
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.names import IThreadsAndTime

Publish: TypeAlias = Callable[[Notice], Awaitable[Confirmations]]
"""Notifies all processes; with an engine of a fleet, the engine keeps the rule as well."""


class HostRefusals:
    """Implements Refusals for one host, alone or in a fleet."""

    def __init__(
        self,
        publish: Publish,
        reactor: IThreadsAndTime,
        wall_time: WallTime,
        kept: KeptRules,
        *,
        is_shared: bool,
    ) -> None:
        """`kept`: what the file had at the start. `is_shared`: the engine keeps the rules."""
        self._publish = publish
        self._wall_time = wall_time
        self._is_shared = is_shared
        self._list = RefusalList(kept.rules)
        self._thread = OneThread(reactor, "refusals")
        self._file: RefusalsFile | None = None
        if kept.file is not None:
            self._file = RefusalsFile(kept.file, reactor, self._thread, self._content)
        self.epoch = kept.epoch

    def start(self) -> None:
        """Be ready to write the file."""
        if self._file is not None:
            self._thread.start()

    async def stop(self) -> None:
        """Stop writing the file: each change has been written, or tried."""
        if self._file is not None:
            self._file.stop()
            await self._thread.stop()

    @property
    def file_failures(self) -> int:
        """Number of failed writes of the file."""
        return self._file.failures if self._file else 0

    def rules(self) -> Sequence[Rule]:
        """Return the rules in force, ordered by id."""
        self._list.drop_ended(self._wall_time())
        return self._list.rules()

    async def refuse(self, rule: Rule) -> Spread:
        """Add a rule and notify all processes. See Refusals."""
        self._list.drop_ended(self._wall_time())
        before = self._list.get(rule.id)
        self._list.add(rule)  # first: a process that starts now asks for it
        try:
            return await self._spread(RuleAdded(rule))
        except RefusalsError:
            self._list.remove(rule.id)
            if before is not None:
                self._list.add(before)
            raise

    async def allow(self, rule_id: str) -> Spread | None:
        """Remove a rule and notify all processes. See Refusals."""
        rule = self._list.remove(rule_id)
        if rule is None:
            return None
        try:
            return await self._spread(RuleRemoved(rule_id))
        except RefusalsError:
            self._list.add(rule)
            raise

    async def publish(self, notice: Notice) -> Confirmations:
        """Send all processes a notice, and keep the rule that it adds or removes.

        Raises EngineError.
        """
        try:
            match notice:
                case RuleAdded(rule):
                    spread: Spread | None = await self.refuse(rule)
                case RuleRemoved(rule_id):
                    spread = await self.allow(rule_id)
                case _:
                    return await self._publish(notice)
        except (RefusalsError, TooManyRulesError) as error:
            raise EngineError(str(error)) from error
        return (
            Confirmations((), ())
            if spread is None
            else Confirmations(spread.confirmed, spread.missing)
        )

    async def _spread(self, notice: Notice) -> Spread:
        try:
            done = await self._publish(notice)
        except EngineError as error:
            raise RefusalsError(f"nothing was changed: {error}") from error
        kept = await self._save()
        return Spread(done.confirmed, done.missing, kept or self._is_shared)

    def heard(self, notice: Notice) -> None:
        """Follow a notice of the fleet's engine."""
        match notice:
            case RuleAdded(rule):
                self._list.drop_ended(self._wall_time())
                self._list.add(rule)
            case RuleRemoved(rule_id):
                self._list.remove(rule_id)
            case _:
                return
        self.save_soon()

    def follow(self, rules: Sequence[Rule]) -> Sequence[Notice]:
        """Take over the engine's rules; return the notices for the processes of this host."""
        now = self._wall_time()
        self._list.drop_ended(now)
        wanted = {each.id: each for each in rules if not each.is_over(now)}
        notices: list[Notice] = [
            RuleRemoved(each.id) for each in self._list.rules() if each.id not in wanted
        ]
        notices += [RuleAdded(each) for each in wanted.values() if self._list.get(each.id) != each]
        for notice in notices:
            self.heard(notice)
        return notices

    def rules_after(self, rule_id: str) -> Sequence[Rule]:
        """Return rules in the order of their ids, those behind `rule_id` ("": from the first)."""
        return [each for each in self.rules() if each.id > rule_id]

    def save_soon(self) -> None:
        """Write the file without waiting for it."""
        saving = Deferred.fromCoroutine(self._save())
        saving.addErrback(lambda failure: failure.raiseException())

    async def _save(self) -> bool:
        return self._file is not None and await self._file.save()

    def _content(self) -> KeptRules:
        return KeptRules(self.rules(), self.epoch)
