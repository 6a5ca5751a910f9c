"""The metrics of the connection to a fleet's engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.monitoring.families import PREFIX


@dataclass(frozen=True, slots=True)
class EngineCollector(Collector):
    """A Prometheus collector of the engine's health."""

    health: EngineHealth

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        yield GaugeMetricFamily(
            PREFIX + "engine_degraded",
            "1: the engine cannot be reached, and this host decides alone (TP3034).",
            float(self.health.is_degraded),
        )
        yield GaugeMetricFamily(
            PREFIX + "engine_away_seconds",
            "Seconds since the engine could be reached; 0: it can be.",
            self.health.away_s,
        )
        yield CounterMetricFamily(
            PREFIX + "engine_failures",
            "Calls of the engine, and attempts to connect, that failed.",
            value=self.health.failures,
        )
