"""Monitoring of a running proxy: health, readiness and metrics over HTTP.

`AdminPort` serves them. `Readiness` decides whether the proxy can serve devices, `Ledger` counts
tunnels and substreams by their end, and `registry_of` makes the metrics.
"""

from tessel_proxy.monitoring.admin import AdminPort, admin_site
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.metrics import Sources, registry_of
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.monitoring.settings import MonitoringSettings

__all__ = [
    "AdminPort",
    "Ledger",
    "MonitoringSettings",
    "Readiness",
    "Sources",
    "admin_site",
    "registry_of",
]
