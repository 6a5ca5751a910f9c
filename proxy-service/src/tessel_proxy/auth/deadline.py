"""A check that takes too long is one that cannot be made now."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tessel_proxy.auth.interface import AuthUnavailableError

T = TypeVar("T")


def within(
    timeout_s: float, clock: IReactorTime, work: Coroutine[Deferred[object], object, T]
) -> Deferred[T]:
    """What `work` gives; it is cancelled when its time is up."""

    def expired(_result: object, timeout_s: float) -> T:
        raise AuthUnavailableError(f"no answer within {timeout_s:g} s")

    return Deferred.fromCoroutine(work).addTimeout(timeout_s, clock, expired)
