"""The metrics that only the supervisor knows: its workers, and totals of accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.supervisor import Supervisor
from tessel_proxy.fleet.workers import WorkerState
from tessel_proxy.limits.descriptors import DescriptorShares
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.monitoring.families import PREFIX, gauge

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """WORKERS, and how many tunnels all of them together may have."""

    workers: int
    tunnels: int

    @classmethod
    def of(cls, workers: int, config: LimitSettings, descriptors: int) -> WorkerLimits:
        """Return the limits by the settings and the file descriptors of each worker."""
        of_each = DescriptorShares.of(
            descriptors, config.max_tunnels, config.max_waiting_for_header
        )
        return cls(workers, min(config.max_tunnels, of_each.tunnels * workers))


@dataclass(frozen=True, slots=True)
class OwnCollector(Collector):
    """A Prometheus collector of the supervisor's own metrics."""

    supervisor: Supervisor
    engine: LocalEngine | ValkeyEngine
    limits: WorkerLimits
    log_dropped: Callable[[], int]

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        supervisor = self.supervisor
        states = Counter(each.state for each in supervisor.living)
        workers = GaugeMetricFamily(
            PREFIX + "workers", "Workers, by state; retiring: they drain.", labels=["state"]
        )
        for state in (WorkerState.STARTING, WorkerState.SERVING, WorkerState.RETIRING):
            workers.add_metric([state.name.lower()], states[state])
        yield workers
        yield gauge("workers_limit", "WORKERS.", self.limits.workers)
        yield CounterMetricFamily(
            PREFIX + "worker_restarts",
            "Workers that died and were started again.",
            value=supervisor.replacements.total,
        )
        yield gauge(
            "workers_in_crash_loop",
            "Workers that died again and again soon after their start.",
            supervisor.replacements.loops,
        )
        yield gauge(
            "workers_silent",
            "Workers that have not answered the supervisor for half of WORKER_TIMEOUT_S (TP3036).",
            supervisor.silent_workers,
        )
        yield CounterMetricFamily(
            PREFIX + "workers_killed",
            "Workers that were killed because they did not answer (TP3036).",
            value=supervisor.silence.killed_total,
        )
        yield gauge(
            "tunnels_limit",
            "MAX_TUNNELS, or fewer if the file descriptors of all workers do not suffice.",
            self.limits.tunnels,
        )
        yield gauge("ready", "1: the proxy is ready for new tunnels.", not supervisor.obstacles)
        yield gauge("draining", "1: the proxy is draining.", supervisor.stopping)
        yield CounterMetricFamily(
            PREFIX + "log_lines_dropped",
            "Log lines dropped because standard error was blocked.",
            value=self.log_dropped(),
        )
        yield from self._accounts()

    def _accounts(self) -> Iterator[Metric]:
        totals = [each.demand for each in self.engine.accounts()]
        yield gauge("accounts", "Accounts with open tunnels or substreams.", len(totals))
        yield gauge(
            "account_tunnels_max",
            "Tunnels of the account with most tunnels.",
            max((each.tunnels for each in totals), default=0),
        )
        yield gauge(
            "account_substreams_max",
            "Substreams of the account with most substreams.",
            max((each.substreams for each in totals), default=0),
        )
