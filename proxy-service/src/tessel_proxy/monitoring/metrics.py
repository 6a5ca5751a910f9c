"""The metrics for Prometheus, collected from ledger and shared state when they are asked for.

Label values come from enums only. Accounts, devices, addresses and targets are never labels: each
would be a series of its own, and an unauthenticated peer could make many. Limits are exported
beside their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streamplex.conversation import SubstreamKind
from tessel_proxy.auth.wrappers import AuthResult
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.memory import MIB
from tessel_proxy.monitoring.families import (
    PREFIX,
    duration_histogram,
    gauge,
    labelled_counter,
    labelled_gauge,
)
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.process_metrics import build_info, process_registry
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.monitoring.settings import MonitoringSettings
from tessel_proxy.records.accounting import Listener
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.targets.lookup import LOOKUP_THREADS, Lookups
from tessel_proxy.tunnel.shared_state import TunnelRegistry

KINDS = [kind.value for kind in SubstreamKind]


@dataclass(frozen=True, slots=True)
class Sources:
    """Holds the objects from which the metrics are read."""

    config: MonitoringSettings
    ledger: Ledger
    tunnels: TunnelRegistry
    limits: AccountLimits
    lookups: Lookups
    readiness: Readiness
    certificate_ends: Callable[[], float | None]  # seconds since 1970
    log_dropped: Callable[[], int]
    revocations_end: Callable[[], float | None] = lambda: None  # seconds since 1970


def registry_of(sources: Sources) -> CollectorRegistry:
    """Return a Prometheus registry with the metrics of one proxy, its process and Python."""
    registry = process_registry()
    registry.register(ProxyCollector(sources))
    return registry


class ProxyCollector(Collector):
    """A Prometheus collector that reads the metrics of one proxy when they are requested."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics of the proxy with their current values."""
        yield from self._tunnels()
        yield from self._substreams()
        yield from self._accounts()
        yield from self._refusals()
        yield from self._durations()
        yield from self._state()

    def _tunnels(self) -> Iterator[Metric]:
        tunnels, ledger = self._sources.tunnels, self._sources.ledger
        unauthenticated = len(tunnels.unauthenticated)
        yield labelled_gauge(
            "tunnels",
            "Tunnels that are open, by whether their token was accepted.",
            "state",
            [
                ("authenticated", len(tunnels.all) - unauthenticated),
                ("unauthenticated", unauthenticated),
            ],
        )
        yield gauge(
            "tunnels_unauthenticated_limit",
            "MAX_UNAUTHENTICATED.",
            self._sources.config.max_unauthenticated,
        )
        config = self._sources.config
        yield gauge(
            "tunnels_limit",
            "Tunnels that may be open: MAX_TUNNELS, or fewer if descriptors are scarce.",
            self._sources.limits.shares.tunnels,
        )
        yield gauge("handshakes", "TLS handshakes in progress.", len(tunnels.handshaking))
        yield gauge("handshakes_limit", "MAX_HANDSHAKES.", config.max_handshakes)
        yield labelled_counter(
            "handshakes_done",
            "TLS handshakes of devices that were completed; resumed: with a session ticket.",
            ["kind"],
            [
                (["full"], ledger.handshakes_done[False]),
                (["resumed"], ledger.handshakes_done[True]),
            ],
        )
        yield labelled_counter(
            "tunnels_accepted",
            "Tunnels accepted, by port; legacy: LEGACY_PORT for Tessel 1 boards.",
            ["listener"],
            [([each.value], ledger.tunnels_accepted[each]) for each in Listener],
        )
        yield CounterMetricFamily(
            PREFIX + "tcp_checks",
            "Connections that ended before they sent a byte, as in port checks of load balancers.",
            value=ledger.tcp_checks,
        )
        yield labelled_counter(
            "tunnels_closed",
            "Tunnels that have ended, by outcome; failed TLS handshakes are handshake_failed.",
            ["outcome"],
            [([each.value], ledger.tunnels_closed[each]) for each in TunnelOutcome],
        )

    def _substreams(self) -> Iterator[Metric]:
        ledger, limits = self._sources.ledger, self._sources.limits
        still_open, closed = ledger.substreams_open, ledger.substreams_closed
        opened = still_open.copy()
        for (kind, _outcome), count in closed.items():
            opened[kind] += count
        yield labelled_gauge(
            "substreams",
            "Substreams that are open.",
            "kind",
            [(kind, still_open[kind]) for kind in KINDS],
        )
        config = self._sources.config
        yield gauge("substreams_per_tunnel_limit", "MAX_SUBSTREAMS.", config.max_substreams)
        yield gauge(
            "substreams_waiting_for_rate",
            "Directions of substreams paused because of BYTES_PER_S.",
            limits.waiting_for_rate,
        )
        yield gauge(
            "substreams_counted",
            "Substreams that count against the limit, with ended ones whose targets still close.",
            limits.substreams,
        )
        yield gauge(
            "substreams_limit",
            "Substreams for which there are descriptors.",
            limits.shares.substreams,
        )
        yield labelled_counter(
            "substreams_opened",
            "Substreams that devices opened.",
            ["kind"],
            [([kind], opened[kind]) for kind in KINDS],
        )
        yield labelled_counter(
            "substreams_closed",
            "Substreams that have ended, by outcome.",
            ["kind", "outcome"],
            [([kind, each.value], closed[kind, each]) for kind in KINDS for each in Outcome],
        )
        yield labelled_counter(
            "relayed_bytes",
            "Bytes relayed, including those of open substreams.",
            ["listener", "direction"],
            [
                ([each.value, direction], nbytes(each))
                for each in Listener
                for direction, nbytes in (
                    ("device_to_target", ledger.bytes_from_device),
                    ("target_to_device", ledger.bytes_from_target),
                )
            ],
        )

    def _accounts(self) -> Iterator[Metric]:
        """Yield the largest values of any account: account names must not become labels."""
        tallies, config = self._sources.limits.tallies, self._sources.config
        busy = [each for each in tallies if each.tunnels or each.substreams]
        yield gauge("accounts", "Accounts with open tunnels or substreams.", len(busy))
        yield gauge(
            "account_tunnels_max",
            "Tunnels of the account with most tunnels.",
            max((each.tunnels for each in busy), default=0),
        )
        yield gauge(
            "account_tunnels_limit", "MAX_TUNNELS_PER_ACCOUNT.", config.max_tunnels_per_account
        )
        yield gauge(
            "account_substreams_max",
            "Substreams of the account with most substreams.",
            max((each.substreams for each in busy), default=0),
        )
        yield gauge(
            "account_substreams_limit",
            "MAX_SUBSTREAMS_PER_ACCOUNT.",
            config.max_substreams_per_account,
        )
        yield gauge("account_opens_per_second_limit", "OPENS_PER_S.", config.opens_per_s)
        yield gauge("bytes_per_second_limit", "BYTES_PER_S; 0: no limit.", config.bytes_per_s)
        yield gauge("bytes_per_day_limit", "BYTES_PER_DAY; 0: no limit.", config.bytes_per_day)
        yield gauge(
            "accounts_quota_spent",
            "Accounts that have moved BYTES_PER_DAY and are refused until their next day.",
            sum(each.quota.is_spent for each in tallies),
        )

    def _refusals(self) -> Iterator[Metric]:
        ledger = self._sources.ledger
        yield labelled_counter(
            "refusals",
            "Tunnels and tokens refused, by reason.",
            ["reason"],
            [([each.value], ledger.refusals[each]) for each in Refusal],
        )
        yield labelled_counter(
            "auth_checks",
            "Token checks, by result.",
            ["result"],
            [([each.value], ledger.auth_answers[each]) for each in AuthResult],
        )

    def _durations(self) -> Iterator[Metric]:
        durations = self._sources.ledger.durations
        for name, meaning, histogram in (
            ("lookup", "Look-ups of targets' names, with the time in the queue.", durations.lookup),
            ("dial", "TCP connections to targets.", durations.dial),
            ("target_tls", "TLS handshakes with targets.", durations.target_tls),
            ("handshake", "TLS handshakes of devices that were completed.", durations.handshake),
            ("token_check", "Token checks, also those from the cache.", durations.token_check),
            ("substream", "Substreams that have ended.", durations.substream),
            ("reactor_lag", "How late timers fire: nobody is served then.", durations.reactor_lag),
        ):
            yield duration_histogram(f"{name}_seconds", f"Duration: {meaning}", histogram)

    def _state(self) -> Iterator[Metric]:
        sources = self._sources
        yield gauge("lookups", "Name look-ups in progress.", sources.lookups.under_way)
        yield gauge("lookups_limit", "Name look-ups that can be in progress.", LOOKUP_THREADS)
        yield gauge(
            "ready", "1: the proxy is ready for new tunnels.", not sources.readiness.obstacles
        )
        yield gauge("draining", "1: the proxy is draining.", sources.readiness.draining)
        yield CounterMetricFamily(
            PREFIX + "log_lines_dropped",
            "Log lines dropped because standard error was blocked.",
            value=sources.log_dropped(),
        )
        limit = sources.config.memory_max_mib * MIB
        yield gauge("memory_limit_bytes", "MEMORY_MAX_MIB; 0: no limit.", limit)
        yield gauge(
            "memory_full",
            "1: the memory limit is near, and new tunnels are refused.",
            sources.readiness.is_full(),
        )
        ends = sources.certificate_ends()
        if ends is not None:
            yield gauge(
                "certificate_not_after_timestamp_seconds",
                "When the first server certificate expires.",
                ends,
            )
        yield gauge(
            "revocations_not_after_timestamp_seconds",
            "When the first revocation list in CLIENT_CRL_FILE expires; 0: no list.",
            sources.revocations_end() or 0,
        )
        yield build_info()
