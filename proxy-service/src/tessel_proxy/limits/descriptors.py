"""Share the file descriptors of the process between tunnels and substreams.

A proxy without free descriptors can neither accept a device nor connect to a target for one. So
tunnels and substreams are limited before that happens.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from tessel_proxy.records.error_codes import ErrorCode

_log = Logger()

RESERVED: Final = 384
"""Descriptors for everything but tunnels and targets: 256 threads that look up names with a socket
each (targets/lookup.py), 64 connections of the admin port (monitoring/admin.py), listeners, files,
requests to the token service, and second connection attempts. If there are few descriptors, half of
them."""

PLENTY: Final = 1 << 20
"""The common limit of systems that report none."""


SYSTEM_LIMIT: Final = Path("/proc/sys/fs/file-max")
"""Open files of all processes of the system, which is the only limit that workers share: the limit
of open files (`LimitNOFILE=`) holds for each process. Kernels since 5.9 have no such limit, unless
an operator sets one."""


def raise_descriptors(processes: int = 1, system_limit: Path = SYSTEM_LIMIT) -> int:
    """Raise the limit of open file descriptors of this process as far as allowed.

    Returns how many it may use: the limit or, if that is less, an even part of the system's limit
    for one of so many `processes`. An unlimited number is returned as PLENTY.
    """
    return min(_raised(), _of_system(system_limit) // processes)


def _of_system(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not Linux
        return PLENTY


def _raised() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # some systems report "unlimited", and accept only less
        return _counted(soft)
    return _counted(hard)


def _counted(limit: int) -> int:
    return PLENTY if limit == resource.RLIM_INFINITY else min(limit, PLENTY)


@dataclass(frozen=True, slots=True)
class DescriptorShares:
    """The largest numbers of tunnels and of substreams that the file descriptors allow.

    Each tunnel and each substream takes one descriptor.
    """

    tunnels: int
    substreams: int

    @classmethod
    def of(cls, descriptors: int, max_tunnels: int, max_waiting: int = 0) -> DescriptorShares:
        """Return how many of `descriptors` tunnels and substreams may use.

        Tunnels get at most half, because they are useless without connections to targets.
        `max_tunnels`: the setting MAX_TUNNELS. `max_waiting`: connections of load balancers that
        may wait for their PROXY header.
        """
        room = max(2, descriptors - min(RESERVED + max_waiting, descriptors // 2))
        tunnels = min(max_tunnels, room // 2)
        return cls(tunnels, room - tunnels)

    def warn(self, asked: int, descriptors: int, processes: int = 1) -> None:
        """Log a warning if the settings allow more tunnels (`asked`) than the descriptors.

        `processes`: workers that have as many descriptors as this one, and share MAX_TUNNELS.
        """
        tunnels = self.tunnels * processes
        if asked <= tunnels:
            return
        _log.warn(
            "MAX_TUNNELS={asked}, but {descriptors} file descriptors of each process leave room "
            "for {tunnels}: raise the hard limit of open files (LimitNOFILE=, ulimits)",
            event="few_descriptors",
            error=ErrorCode.FEW_DESCRIPTORS.value,
            asked=asked,
            descriptors=descriptors,
            tunnels=tunnels,
        )
