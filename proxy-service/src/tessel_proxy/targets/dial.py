"""Connect to one of several addresses of a target that the egress rules allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.egress.addresses import Address
from tessel_proxy.targets.connecting import Caller, Connect, NewConnection
from tessel_proxy.targets.node_errors import TargetError, not_connected
from tessel_service_kit.happy_eyeballs import Attempt, Race, interleaved

T = TypeVar("T")


def in_turn(addresses: Sequence[Address]) -> list[str]:
    """Return at most MAX_ADDRESSES of `addresses` as text, in the order to try them.

    IPv4 and IPv6 alternate.
    """
    return interleaved(map(str, addresses), lambda each: ":" in each)


def dial(
    connect: Connect,
    clock: IReactorTime,
    addresses: Sequence[str],
    port: int,
    take: Callable[[str, NewConnection], T],
) -> Deferred[T]:
    """Connect to the first of `addresses` that answers.

    `take` takes the winning connection over, and makes the result of the Deferred. If all attempts
    fail, the Deferred fails with a TargetError about the first of `addresses`. There is no timeout:
    the caller cancels the Deferred.
    """

    def begin(address: str, listener: Caller) -> Attempt:
        return connect(address, port, listener)

    def fault(failure: Failure) -> TargetError:
        return not_connected(addresses[0], port, failure)

    return Race(addresses, clock, begin, take, fault).start()
