"""The metrics of all workers as one: counters, histograms and most gauges are added.

A worker sends a snapshot of its metrics each second. The counters and histograms of a worker that
has ended are kept, so that no counter goes back; its gauges are not.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tessel_proxy.monitoring.families import PREFIX

Labels: TypeAlias = tuple[tuple[str, str], ...]

MAXIMUM: Final = frozenset(
    PREFIX + name
    for name in (
        "account_opens_per_second_limit",
        "account_substreams_limit",
        "account_tunnels_limit",
        "accounts_quota_spent",
        "build_info",
        "bytes_per_day_limit",
        "bytes_per_second_limit",
        "draining",
        "memory_full",
        "substreams_per_tunnel_limit",
        "tunnels_limit",
    )
) | {"python_info"}
"""Gauges of which the largest counts, besides those whose name ends with `_max`: limits that hold
for all workers together, and facts."""

MINIMUM: Final = frozenset(
    PREFIX + name
    for name in (
        "certificate_not_after_timestamp_seconds",
        "ready",
        "revocations_not_after_timestamp_seconds",
    )
) | {"process_start_time_seconds"}
"""Gauges of which the smallest counts."""

LASTING: Final = frozenset(("counter", "histogram"))
"""Kinds of metrics of which the values of a process that has ended still count."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples: values by sample name and labels."""

    name: str
    kind: str
    meaning: str
    samples: Mapping[tuple[str, Labels], float]


Snapshot: TypeAlias = Sequence[Family]


def snapshot_of(families: Iterable[Metric]) -> Snapshot:
    """Return the values of metrics at this moment."""
    return [
        Family(
            each.name,
            each.type,
            each.documentation,
            {(one.name, tuple(sorted(one.labels.items()))): one.value for one in each.samples},
        )
        for each in families
    ]


def packed(snapshot: Snapshot) -> bytes:
    """Return a snapshot as compressed JSON: some KiB, less than AMP's limit of 64 KiB."""
    plain = [
        [each.name, each.kind, each.meaning, [[*key, value] for key, value in each.samples.items()]]
        for each in snapshot
    ]
    return zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 1)


def unpacked(data: bytes) -> Snapshot:
    """Return the snapshot that `packed` has packed."""
    return [
        Family(
            name,
            kind,
            meaning,
            {
                (sample, tuple((key, text) for key, text in labels)): value
                for sample, labels, value in samples
            },
        )
        for name, kind, meaning, samples in json.loads(zlib.decompress(data))
    ]


def merged(snapshots: Iterable[Snapshot]) -> dict[str, Family]:
    """Return the metrics of several processes as one, by name."""
    found: dict[str, Family] = {}
    for family in (each for snapshot in snapshots for each in snapshot):
        before = found.get(family.name)
        found[family.name] = family if before is None else _joined(before, family)
    return found


def counters_of(snapshot: Snapshot) -> Snapshot:
    """Return what is kept of a process that has ended: its counters and histograms."""
    return [each for each in snapshot if each.kind in LASTING]


def _joined(one: Family, other: Family) -> Family:
    if one.kind == "histogram":
        one, other = _with_common_bounds(one, other)
    samples = dict(one.samples)
    for key, value in other.samples.items():
        before = samples.get(key)
        samples[key] = value if before is None else _combined(one, before, value)
    return Family(one.name, one.kind, one.meaning, samples)


def _with_common_bounds(one: Family, other: Family) -> tuple[Family, Family]:
    """Return two histograms without the buckets whose bounds the other one lacks.

    During an upgrade, former workers may have other bounds. Buckets are cumulative, so that those
    with common bounds remain right without the others.
    """
    common = _bounds(one) & _bounds(other)
    return _restricted(one, common), _restricted(other, common)


def _bounds(family: Family) -> set[str | None]:
    return {dict(labels).get("le") for _, labels in family.samples}


def _restricted(family: Family, bounds: set[str | None]) -> Family:
    if _bounds(family) == bounds:
        return family
    kept = {key: n for key, n in family.samples.items() if dict(key[1]).get("le") in bounds}
    return Family(family.name, family.kind, family.meaning, kept)


def _combined(family: Family, one: float, other: float) -> float:
    if family.kind == "gauge":
        if family.name in MAXIMUM or family.name.endswith("_max"):
            return max(one, other)
        if family.name in MINIMUM:
            return min(one, other)
    return one + other


@dataclass(slots=True, eq=False)
class SummedCollector(Collector):
    """A Prometheus collector of the metrics of all workers, living and ended.

    `process` are metrics of the supervisor's process, which are added to those of the workers.
    `own`, if it is set, are metrics that only the supervisor knows: they replace those of the
    workers that have the same name.
    """

    process: CollectorRegistry
    own: Collector | None = None
    _living: dict[str, Snapshot] = field(default_factory=dict)
    _ended: Snapshot = ()

    def seen(self, worker: str, snapshot: Snapshot) -> None:
        """Replace the snapshot of a living worker."""
        self._living[worker] = snapshot

    def describe(self) -> Iterator[Metric]:
        """Yield nothing, so that a registry does not collect to learn the names."""
        yield from ()

    def ended(self, worker: str) -> None:
        """Called when a worker has ended: keeps its counters and histograms."""
        last = counters_of(self._living.pop(worker, ()))
        self._ended = list(merged([self._ended, last]).values())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers as one."""
        here = snapshot_of(self.process.collect())
        families = merged([here, self._ended, *self._living.values()])
        own = list(self.own.collect()) if self.own else []
        for each in own:
            families.pop(each.name, None)
        yield from (_metric(each) for each in families.values())
        yield from own


def _metric(family: Family) -> Metric:
    metric = Metric(family.name, family.meaning, family.kind)
    for (name, labels), value in family.samples.items():
        metric.add_sample(name, dict(labels), value)
    return metric
