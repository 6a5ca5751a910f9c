"""Helpers to connect two tunnels in memory, for tests of code that uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamplex.events import Event
from streamplex.tunnel import TunnelCore

EVERYTHING = 1 << 30
"""More bytes than a test queues."""


def bytes_of(tunnel: TunnelCore, max_bytes: int = EVERYTHING) -> bytes:
    """Take about `max_bytes` that a tunnel sends next, and return them as one piece."""
    return b"".join(tunnel.take(max_bytes).pieces)


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Yield pieces of `data` with these sizes, and at last the remaining bytes."""
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def exchange(one: TunnelCore, other: TunnelCore) -> tuple[list[Event], list[Event]]:
    """Carry the queued bytes of each tunnel to the other, first from `one` to `other`.

    Returns the events of `one` and the events of `other`.
    """
    for_other = other.receive(bytes_of(one))
    for_one = one.receive(bytes_of(other))
    return for_one, for_other
