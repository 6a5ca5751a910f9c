"""Sums usage by day and account from log files, which are read line by line.

A tunnel is counted on the UTC day on which it closed, because its closing line has the totals. JSON
logs are exact. In text, a device can choose a name that looks like the end of a line.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tessel_proxy.console.place import ConsoleError

MAX_LINE: Final = 1 << 17
"""Bytes of one line. The proxy's have at most 64 KiB; a longer one is not the proxy's."""

MAX_SUMS: Final = 1_000_000
"""Days and accounts that are summed: some 300 MB. More are an error."""

GZIP: Final = b"\x1f\x8b"

_TEXT: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)T\S+ [a-z]+ tunnel_closed (?:TP\d+ )?(?:\[\d+\] )?"
    r"tunnel \d+ of .*? closed: .*?; account (?P<account>.*?), "
    r"(?:no device name|device .*?), "
    r"(?P<opens>\d+) substreams?, (?P<from_device>\d+) bytes? from the device, "
    r"(?P<from_target>\d+) from targets, [\d.]+ s: "
)

Closed = tuple[str, str, int, int, int]
"""Day, account, bytes from the device, bytes from targets, and substreams of a closed tunnel."""


def summed(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows of usage of these files, ordered by day and account. Raises ConsoleError."""
    sums: dict[tuple[str, str], list[int]] = {}
    for file in files:
        for day, account, *counts in closed_tunnels(_lines(file)):
            total = sums.setdefault((day, account), [0, 0, 0, 0])
            for place, count in enumerate((*counts, 1)):
                total[place] += count
            if len(sums) > MAX_SUMS:
                raise ConsoleError(f"{file}: more than {MAX_SUMS:,} days and accounts; give fewer")
    return [
        {
            "day": day,
            "account": account,
            "bytes_from_device": from_device,
            "bytes_from_target": from_target,
            "opens": opens,
            "tunnels": tunnels,
            "refusals": None,
        }
        for (day, account), (from_device, from_target, opens, tunnels) in sorted(sums.items())
    ]


def closed_tunnels(lines: Iterable[str]) -> Iterator[Closed]:
    """Return the closed tunnels of accounts in these lines, in JSON or text. Others are ignored."""
    for line in lines:
        if "tunnel_closed" not in line:
            continue
        closed = _from_json(line) if line.startswith("{") else _from_text(line)
        if closed is not None:
            yield closed


def _from_json(line: str) -> Closed | None:
    try:
        found = json.loads(line)
        if found["event"] != "tunnel_closed" or not isinstance(found["account"], str):
            return None
        counts = (found[name] for name in ("bytes_from_device", "bytes_from_target", "substreams"))
        from_device, from_target, opens = map(int, counts)
        return str(found["time"])[:10], found["account"], from_device, from_target, opens
    except (ValueError, LookupError, TypeError, RecursionError):
        return None  # cut off by a crash, or another program's


def _from_text(line: str) -> Closed | None:
    found = _TEXT.match(line)
    if found is None:
        return None
    counts = (int(found[name]) for name in ("from_device", "from_target", "opens"))
    from_device, from_target, opens = counts
    return found["day"], found["account"], from_device, from_target, opens


def _lines(file: Path) -> Iterator[str]:
    """Return the lines of a file, which may be compressed. Raises ConsoleError."""
    try:
        with file.open("rb") as opened:
            is_packed = opened.read(len(GZIP)) == GZIP
        with gzip.open(file) if is_packed else file.open("rb") as lines:
            while line := lines.readline(MAX_LINE):
                yield line.decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConsoleError(f"{file}: {why}") from error
