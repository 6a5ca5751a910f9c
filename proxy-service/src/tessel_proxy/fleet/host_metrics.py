"""Metrics of what one host keeps: the operator's rules, and usage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tessel_proxy.fleet.host_keeping import HostKeeping
from tessel_proxy.monitoring.families import PREFIX


@dataclass(frozen=True, slots=True)
class HostCollector(Collector):
    """A Prometheus collector of what the first process of a host keeps."""

    keeping: HostKeeping

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        yield GaugeMetricFamily(
            PREFIX + "refusal_rules",
            "Rules in force by which the operator refuses accounts, devices and addresses.",
            len(self.keeping.refusals.rules()),
        )
        yield CounterMetricFamily(
            PREFIX + "refusals_file_failures",
            "Failed writes of REFUSALS_FILE (TP3040).",
            value=self.keeping.refusals.file_failures,
        )
        yield CounterMetricFamily(
            PREFIX + "usage_failures",
            "Failed writes of usage (TP3041).",
            value=self.keeping.usage.failures if self.keeping.usage else 0,
        )
