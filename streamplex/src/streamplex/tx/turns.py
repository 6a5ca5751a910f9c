"""Calls at the end of a turn of the reactor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, cast

from twisted.internet.interfaces import IReactorTime

AtTurnEnd: TypeAlias = Callable[[Callable[[], None]], object]
"""Makes the call that it is given when all descriptors of this turn have been handled."""


def at_turn_end(clock: IReactorTime) -> AtTurnEnd:
    """Return the function of `clock` that makes a call at the end of a turn of the reactor.

    A reactor may offer it as `call_at_turn_end`, as that of tessel_service_kit does. With others a
    call costs a timer of 0 seconds: making, sorting and finding it takes some fifteen calls.
    """
    offered = getattr(clock, "call_at_turn_end", None)
    return cast("AtTurnEnd", offered or partial(clock.callLater, 0))
