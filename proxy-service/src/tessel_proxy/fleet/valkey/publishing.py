"""Publish notices to all members, and find out which have acted on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_hex
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tessel_proxy.fleet.engine import CALL_TIMEOUT_S, EngineError
from tessel_proxy.fleet.notices import (
    KEPT_NOTICES,
    KEPT_NOTICES_S,
    Confirmations,
    Notice,
    RuleAdded,
    RuleRemoved,
)
from tessel_proxy.fleet.valkey.connection import LONGEST_PAUSE_S
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.members import LivingMembers
from tessel_proxy.fleet.valkey.rebuilding import Rebuilding
from tessel_proxy.fleet.valkey.replies import confirmations_of
from tessel_proxy.fleet.valkey.rules import rule_arguments
from tessel_proxy.fleet.valkey.scripts import ALLOW, CONFIRMED, PUBLISH, REFUSE
from tessel_proxy.fleet.wire import dump_notice
from tessel_proxy.operations import MAX_RULES

ASK_AGAIN_S: Final = 0.02
"""Seconds between two looks whether all members have confirmed a notice."""

ALL_LIVE_S: Final = LONGEST_PAUSE_S + CALL_TIMEOUT_S
"""Seconds in which all members have reported to an engine without data that they live: each host
does so when it has dialled."""


@dataclass(slots=True)
class _Published:
    """A notice, and the epoch of the engine that has it."""

    notice: Notice
    id: str = field(default_factory=lambda: token_hex(8))
    epoch: str = ""


class Publishing:
    """Publishes notices; again, if the engine loses one while members are to confirm it."""

    def __init__(
        self, clock: IReactorTime, link: Link, living: LivingMembers, rebuilding: Rebuilding
    ) -> None:
        self._clock = clock
        self._link = link
        self._living = living
        self._rebuilding = rebuilding

    async def publish(self, notice: Notice) -> Confirmations:
        """Notify all live members; return which of them have acted. See Engine.

        A caller that has seen no members, such as a command, does not know who is missing until
        they have reported to an emptied engine that they live: it waits for ALL_LIVE_S more.
        """
        until = self._clock.seconds() + CALL_TIMEOUT_S - 2 * ASK_AGAIN_S
        published = _Published(notice)
        await self._post(published)
        found = Confirmations((), self._living.names)
        while self._clock.seconds() < until:
            await deferLater(self._clock, ASK_AGAIN_S)
            try:
                age_s, found = await self._look(published)
            except EngineError:  # it was published: those that have confirmed so far count
                break
            more_s = self._more_s(age_s)
            until = max(until, self._clock.seconds() + more_s)
            if not found.missing and not more_s:
                break
        return found

    def _more_s(self, age_s: float) -> float:
        """Return for how long members unknown to this process may not have reported that they live.

        An age of less than 0: the server's clock was set back.
        """
        return 0.0 if self._living.names or not 0 <= age_s < ALL_LIVE_S else ALL_LIVE_S - age_s

    async def _post(self, published: _Published) -> None:
        kept = (dump_notice(published.notice), published.id, KEPT_NOTICES, round(KEPT_NOTICES_S))
        match published.notice:  # the engine keeps rules for those that start later
            case RuleAdded(rule):
                reply = await self._link.run(REFUSE, *rule_arguments(rule), MAX_RULES, *kept)
                if reply == "0":
                    raise EngineError(f"the engine has {MAX_RULES} rules already")
            case RuleRemoved(rule_id):
                reply = await self._link.run(ALLOW, rule_id, *kept)
            case _:
                reply = await self._link.run(PUBLISH, *kept)
        published.epoch = reply
        self._rebuilding.answered(reply)

    async def _look(self, published: _Published) -> tuple[float, Confirmations]:
        """Return the age of the engine's data, and the confirmations so far."""
        reply = await self._link.run(CONFIRMED, published.id, *self._living.assumed)
        epoch, age_s, found = confirmations_of(reply)
        if epoch == published.epoch:
            return age_s, found
        self._rebuilding.answered(epoch)
        await self._post(published)
        return age_s, Confirmations((), self._living.names)
