"""Helpers to connect two tunnels in memory, for tests of code that uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamplex.events import Event
from streamplex.tunnel import TunnelCore

EVERYTHING = 1 << 30
"""More bytes than a test queues."""


def bytes_of(tunnel: TunnelCore, max_bytes: int = EVERYTHING) -> bytes:
    """Take what a tunnel sends next, joined."""
    return b"".join(tunnel.take(max_bytes).pieces)


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut `data` into pieces of these sizes; the last piece is the rest."""
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def exchange(one: TunnelCore, other: TunnelCore) -> tuple[list[Event], list[Event]]:
    """Carry queued bytes both ways. Return the events of `one` and of `other`."""
    for_other = other.receive(bytes_of(one))
    for_one = one.receive(bytes_of(other))
    return for_one, for_other
