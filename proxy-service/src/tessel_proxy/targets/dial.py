"""Connect to one of several addresses of a target that the egress rules allow."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.targets.connecting import Caller, Connect
from tessel_service_kit.happy_eyeballs import Attempt, Race, interleaved


def in_turn(addresses: Sequence[str]) -> list[str]:
    """Return at most MAX_ADDRESSES of `addresses`, in the order to try them.

    IPv4 and IPv6 alternate.
    """
    return interleaved(addresses, lambda each: ":" in each)


def dial(
    connect: Connect, clock: IReactorTime, addresses: Sequence[str], port: int, caller: Caller
) -> Attempt:
    """Connect to the first of `addresses` that answers; return the attempt.

    The result is reported to `caller`, possibly before this returns. If no address answers, it is
    the failure of the first one. There is no timeout.
    """

    def begin(address: str, listener: Caller) -> Attempt:
        return connect(address, port, listener)

    race = Race(in_turn(addresses), clock, begin, caller)
    race.start()
    return race
