"""The operator's rules in the engine, and the copy of them that each host has.

The engine keeps the rules and reports each change by a notice. A host that was away has missed
some, so it compares its copy with the engine after each connect, and now and then. An engine that
has lost its data gets the rules back from the hosts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.notices import Notice
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.scripts import RESTORE_RULES, RULES
from tessel_proxy.fleet.wire import dumped
from tessel_proxy.operations import MAX_RULES, Rule, RuleError
from tessel_proxy.records.error_codes import ErrorCode

CHECK_S: Final = 30.0
"""Seconds between two comparisons, which cost a call of some bytes if nothing was changed."""

PER_CALL: Final = 256
"""Rules in one call that gives them back to the engine."""


class CopyOfRules(Interface):
    """A host's copy of the rules; HostRefusals is one and explains the members."""

    epoch: str

    def rules(self) -> Sequence[Rule]: ...
    def heard(self, notice: Notice) -> None: ...
    def follow(self, rules: Sequence[Rule]) -> Sequence[Notice]: ...


class RulesFollower:
    """Keeps a host's copy of the rules as the engine has them."""

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, link: Link, copy: CopyOfRules, notify: Callable[[Notice], None]
    ) -> None:
        """`notify` sends a notice to the members of this host only."""
        self._link = link
        self._copy = copy
        self._notify = notify
        self._version = ""
        self._lock = DeferredLock()
        self._meanwhile: list[Notice] | None = None  # notices during a comparison
        self._loop = LoopingCall(self.check_soon)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin to compare."""
        running = self._loop.start(CHECK_S, now=False)
        running.addErrback(self._broken)

    def stop(self) -> None:
        """Compare no more."""
        if self._loop.running:
            self._loop.stop()

    def check_soon(self) -> None:
        """Compare now; called after each connect, too."""
        checking = Deferred.fromCoroutine(self.check())
        checking.addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        self._log.failure(
            "rules are not compared with the engine",
            failure=failure,
            error=ErrorCode.INTERNAL_ERROR.value,
        )

    def overhear(self, notice: Notice) -> None:
        """Follow a notice; called before the members of this host hear it."""
        self._copy.heard(notice)
        if self._meanwhile is not None:
            self._meanwhile.append(notice)

    async def check(self) -> None:
        """Compare the copy with the engine. If it is away, do nothing: the health reports it."""
        async with self._lock:
            self._meanwhile = []
            try:
                await self._compare()
            except EngineError:
                return  # as after the next connect
            finally:
                meanwhile, self._meanwhile = self._meanwhile, None
            # they may be newer than what was read
            for notice in meanwhile:
                self._copy.heard(notice)
                self._notify(notice)

    async def _compare(self) -> None:
        epoch, version, rules = rules_of(await self._link.run(RULES, self._version))
        if rules is None:
            return
        if self._copy.epoch != epoch:
            rules = [*rules, *await self._give_back(rules)]
        self._copy.epoch = epoch
        for notice in self._copy.follow(rules):
            self._notify(notice)
        self._version = version

    async def _give_back(self, rules: Sequence[Rule]) -> Sequence[Rule]:
        """Send an engine that has lost its data, or is new, the rules that this host knows."""
        known = {each.id for each in rules}
        lost = [each for each in self._copy.rules() if each.id not in known]
        for start in range(0, len(lost), PER_CALL):
            part = lost[start : start + PER_CALL]
            arguments = [text for each in part for text in rule_arguments(each)]
            await self._link.run(RESTORE_RULES, MAX_RULES, *arguments)
        return lost


def rule_arguments(rule: Rule) -> tuple[str, bytes, int]:
    """Return a rule for the scripts: its id, its JSON, and when it ends in ms since 1970."""
    ends_ms = 0 if rule.until_at is None else round(rule.until_at * 1000)
    return rule.id, dumped(rule.as_json()), ends_ms


def rules_of(reply: str) -> tuple[str, str, Sequence[Rule] | None]:
    """Return epoch, version, and the rules; None: those of the version that was sent.

    Rules that cannot be used, such as those of a later version, are left out.
    """
    head, *lines = reply.split("\n")
    try:
        epoch, version, is_new = head.split(" ")
    except ValueError:
        raise EngineError(f"rules: the engine answered {reply!r:.80}") from None
    return epoch, version, _usable(lines) if is_new == "1" else None


def _usable(lines: Sequence[str]) -> Sequence[Rule]:
    rules = []
    for line in lines:
        try:
            rules.append(Rule.from_json(json.loads(line)))
        except (RuleError, ValueError, RecursionError):
            continue
    return rules
