"""Two tunnels back to back, in memory, for tests of what is built on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamplex.events import Event
from streamplex.tunnel import Tunnel

EVERYTHING = 1 << 30
"""More octets than a test queues."""


def octets_of(tunnel: Tunnel, max_octets: int = EVERYTHING) -> bytes:
    """What a tunnel sends next, joined."""
    return b"".join(tunnel.take(max_octets).pieces)


def cut(octets: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """`octets` in pieces of these sizes, the rest at the end."""
    at = 0
    for size in sizes:
        yield octets[at : at + size]
        at += size
    yield octets[at:]


def exchange(one: Tunnel, other: Tunnel) -> tuple[list[Event], list[Event]]:
    """Carry what is queued across, both ways; the events of `one` and of `other`."""
    for_other = other.receive(octets_of(one))
    for_one = one.receive(octets_of(other))
    return for_one, for_other
