"""The picture of the proxies in `top`: a snapshot, and the events that came after it. No I/O."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

MAX_TUNNELS: Final = 10_000
"""Tunnels that are known: ten pages of the API, some 30 MB."""

HOUR_S: Final = 3600.0
COUNTS: Final = (
    "bytes_from_device",
    "bytes_from_target",
    "bytes_from_device_per_s",
    "bytes_from_target_per_s",
    "open_substreams",
)
"""Fields of a tunnel that an event `tunnels` changes, in its order."""

Row = dict[str, Any]


def _rate(row: Row) -> float:
    return float(row["bytes_from_device_per_s"] + row["bytes_from_target_per_s"])


def _bytes(row: Row) -> float:
    return float(row["bytes_from_device"] + row["bytes_from_target"])


class Order(Enum):
    """How the list of tunnels is sorted: the key that chooses it, its name, and what is largest."""

    RATE = ("r", "rate", _rate)
    BYTES = ("b", "bytes", _bytes)
    OPEN = ("o", "open", lambda row: float(row["open_substreams"]))
    NEWEST = ("n", "newest", lambda row: float(row["since_at"]))

    def __init__(self, key: str, title: str, largest: Callable[[Row], float]) -> None:
        self.key = key
        self.title = title
        self.largest = largest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answers of the API when a stream of events began.

    `proxies` and `history` are answers of these resources.
    """

    tunnels: tuple[Row, ...]
    proxies: Mapping[str, Any]
    history: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream."""

    topic: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """The stream ended, or no proxy answers."""

    why: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The reader of the stream failed: a bug."""

    error: Exception


News = Snapshot | Event | Lost | Broken


@dataclass(slots=True)
class Refusals:
    """Refusals of the last hour by error number."""

    _kept: deque[tuple[float, str, int]] = field(default_factory=deque)

    @classmethod
    def of(cls, history: Mapping[str, Any]) -> Refusals:
        """Return those of an answer of `history`."""
        steps = sorted(
            (history["from_at"] + place * history["step_s"], number, count)
            for number, counts in history["all"]["refusals"].items()
            for place, count in enumerate(counts)
            if count
        )
        return cls(deque(steps))

    def add(self, at: float, number: str, count: int) -> None:
        """Count a refusal."""
        self._kept.append((at, number, count))

    def counts(self, now: float) -> Counter[str]:
        """Return how many there were in the hour before `now`, by number."""
        while self._kept and self._kept[0][0] < now - HOUR_S:
            self._kept.popleft()
        found: Counter[str] = Counter()
        for _, number, count in self._kept:
            found[number] += count
        return found


@dataclass(slots=True)
class Live:
    """The picture that `top` draws."""

    tunnels: dict[str, Row] = field(default_factory=dict)
    totals: Mapping[str, Any] | None = None
    proxies: Mapping[str, Any] | None = None
    refusals: Refusals = field(default_factory=Refusals)
    lost: tuple[float, str] | None = None  # since when (seconds since 1970), and why

    def take(self, news: News, now: float) -> None:
        """Apply what the reader of the stream has found. `now`: seconds since 1970."""
        match news:
            case Snapshot(tunnels, proxies, history):
                self.tunnels = {row["id"]: row for row in tunnels}
                self.proxies = proxies
                self.refusals = Refusals.of(history)
                self.lost = None
            case Event(topic, value):
                self._happened(topic, value)
            case Lost(why):
                self.lost = (now if self.lost is None else self.lost[0], why)
            case Broken(error):
                raise error

    def busiest(self, order: Order, count: int) -> list[Row]:
        """Return the tunnels that come first in this order."""
        return heapq.nlargest(count, self.tunnels.values(), key=order.largest)

    def _happened(self, topic: str, value: Mapping[str, Any]) -> None:
        match topic:
            case "totals":
                self.totals = value
            case "proxies":
                self.proxies = value
            case "refusals":
                self.refusals.add(value["at"], value["error"], value["count"])
            case "tunnels":
                self._changed(value)

    def _changed(self, value: Mapping[str, Any]) -> None:
        for row in value["opened"]:
            if row["id"] in self.tunnels or len(self.tunnels) < MAX_TUNNELS:
                self.tunnels[row["id"]] = row
        for tunnel, *counts in value["changed"]:
            if tunnel in self.tunnels:
                self.tunnels[tunnel].update(zip(COUNTS, counts, strict=True))
        for closed in value["closed"]:
            self.tunnels.pop(closed["id"], None)
