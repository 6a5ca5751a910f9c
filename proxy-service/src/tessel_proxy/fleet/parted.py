"""A long call of the engine as several short ones, which are sent in the same turn.

Whoever executes them serves nobody else meanwhile, so each has a limit. Their order is kept.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

from tessel_proxy.fleet.engine import MAX_DEPARTED

T = TypeVar("T")


async def all_of(calls: Iterable[Coroutine[Deferred[Any], Any, T]]) -> list[T]:
    """Run calls at the same time; raises the error of one of them when it fails."""
    running = [Deferred.fromCoroutine(each) for each in calls]
    try:
        return await gatherResults(running, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
        raise AssertionError("it has raised") from error


def in_parts(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Yield the items in lists of `most`; the last may be shorter."""
    iterator = iter(items)
    while part := list(islice(iterator, most)):
        yield part


def parts_of(
    items: Iterable[tuple[str, T]], departed: Mapping[str, Sequence[str]], most: int
) -> Iterator[list[tuple[str, T]]]:
    """Yield accounts and their demands in parts of at most `most` accounts.

    A part has at most twice MAX_DEPARTED names of departed devices. Those of one account are never
    in another part than its demand.
    """
    part: list[tuple[str, T]] = []
    names = 0
    for item in items:
        part.append(item)
        names += len(departed.get(item[0], ()))
        if len(part) == most or names > MAX_DEPARTED:
            yield part
            part, names = [], 0
    if part:
        yield part
