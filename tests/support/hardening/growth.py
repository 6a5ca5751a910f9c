"""Memory and file descriptors of a process, and whether they grow."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Held:
    """Resident memory in bytes, and the number of open descriptors, at one moment."""

    memory: int
    descriptors: int

    @classmethod
    def by(cls, pid):
        folder = Path("/proc") / str(pid)
        pages = int((folder / "statm").read_text().split()[1])
        return cls(pages * PAGE_BYTES, len(list((folder / "fd").iterdir())))


def count_objects():
    """Return the number of objects in this process that the garbage collector tracks."""
    gc.collect()
    return len(gc.get_objects())


def slope(points):
    """Return the slope of a line through (x, y) points, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
