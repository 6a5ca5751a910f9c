"""What a process holds: memory and descriptors, from outside, and whether they grow."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Held:
    """At one moment. Memory is what is resident, in bytes."""

    memory: int
    descriptors: int

    @classmethod
    def by(cls, pid):
        folder = Path("/proc") / str(pid)
        pages = int((folder / "statm").read_text().split()[1])
        return cls(pages * PAGE_BYTES, len(list((folder / "fd").iterdir())))


def count_objects():
    """Of this process, those that could hold others."""
    gc.collect()
    return len(gc.get_objects())


def slope(points):
    """The rise of a straight line through (x, y) points, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
