"""How many files and sockets this process may have open, and what that leaves room for.

Out of descriptors, a proxy can neither take in a device nor reach a target for one that it has: so
both kinds get their share before it comes to that.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

RESERVED: Final = 384
"""For what is neither tunnel nor target: 256 threads that look up names, with a socket each
(lookup.py), 64 connections of the admin port (admin.py), listeners, files, calls of the token
service, and the second address that is tried while the first one is still silent. Half of few."""

PLENTY: Final = 1 << 20
"""What systems without a limit of their own commonly allow."""


def raise_descriptors() -> int:
    """Take all the descriptors that this process is allowed; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # some systems say "unlimited" and mean less
        return _counted(soft)
    return _counted(hard)


def _counted(limit: int) -> int:
    return PLENTY if limit == resource.RLIM_INFINITY else limit


@dataclass(frozen=True, slots=True)
class DescriptorShares:
    """How many tunnels and substreams there is room for; each takes one descriptor."""

    tunnels: int
    substreams: int
    is_short: bool  # the settings ask for more tunnels than that

    @classmethod
    def of(cls, descriptors: int, max_tunnels: int, max_waiting: int = 0) -> DescriptorShares:
        """At most half is for tunnels: without targets they are of no use.

        `max_waiting` connections of load balancers may wait for their header besides.
        """
        room = max(2, descriptors - min(RESERVED + max_waiting, descriptors // 2))
        tunnels = min(max_tunnels, room // 2)
        return cls(tunnels, room - tunnels, is_short=max_tunnels > tunnels)
