"""The metrics of a process whatever it does: its resources, Python, and the proxy's version."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from platform import python_version

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from tessel_proxy.monitoring.families import PREFIX


def process_registry() -> CollectorRegistry:
    """Return a Prometheus registry with the metrics of this process and of Python alone."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def build_info() -> Metric:
    """Return the metric that names the versions of the proxy and of Python."""
    family = GaugeMetricFamily(
        PREFIX + "build_info", "Version of the proxy and of Python.", labels=["version", "python"]
    )
    family.add_metric([_version(), python_version()], 1.0)
    return family


@cache  # it reads files, and workers are asked for their metrics each second
def _version() -> str:
    return version("tessel-proxy")
