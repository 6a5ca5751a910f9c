"""Whether the engine's totals can be used, or the hosts still report to it what it has lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tessel_proxy.fleet.engine import EXCHANGE_S, MEMBER_LIVES_S
from tessel_proxy.fleet.valkey.connection import LONGEST_PAUSE_S

REBUILD_S: Final = LONGEST_PAUSE_S + EXCHANGE_S
"""Seconds in which all hosts have reported their counts to an engine again: until the last one has
dialled, and the next exchange of its members."""

NO_EPOCH: Final = "none"
"""The engine's epochs are numbers."""


class Rebuilding:
    """Knows when the engine's totals lack the counts of some hosts, so that older ones are better.

    That is after the engine has lost its data, which its epoch shows, and after a silence in which
    the members of other hosts may have lapsed, too. What such counts forbid is forbidden all the
    same.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, rebuild_s: float) -> None:
        """`rebuild_s`: seconds without totals after a loss; 0: they are used at once."""
        self._clock = clock
        self._rebuild_s = rebuild_s
        self._epoch = ""
        self._answered_at = clock.seconds()
        self._until = 0.0
        self.lost: Callable[[], None] = lambda: None  # called after each loss

    @property
    def epoch(self) -> str:
        """The last epoch; "": there was no reply yet."""
        return self._epoch

    @property
    def complete_epoch(self) -> str:
        """The epoch whose counts can be used now; "": whichever it is, NO_EPOCH: none."""
        silent_s = self._clock.seconds() - self._answered_at
        if not self._rebuild_s:
            return ""
        if self.is_under_way or (self._epoch and silent_s > MEMBER_LIVES_S):
            return NO_EPOCH
        return self._epoch

    @property
    def is_under_way(self) -> bool:
        """Whether totals cannot be used now."""
        return self._clock.seconds() < self._until

    def answered(self, epoch: str) -> None:
        """Called with the epoch of each reply that has one."""
        now, former = self._clock.seconds(), self._epoch
        silent_s, self._answered_at, self._epoch = now - self._answered_at, now, epoch
        if former and (epoch != former or silent_s > MEMBER_LIVES_S):
            self._until = now + self._rebuild_s
            self._log.warn(
                "counts_lost: the engine has lost counts; the last known ones are used for "
                "{seconds:g} s",
                event="counts_lost",
                seconds=self._rebuild_s,
            )
            self.lost()
