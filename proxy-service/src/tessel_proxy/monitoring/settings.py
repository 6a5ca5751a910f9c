"""Settings of the admin port."""

from __future__ import annotations

from dataclasses import dataclass

from tessel_proxy.tunnel.settings import TunnelSettings
from tessel_service_kit.parsers import integer, listening_address, optional
from tessel_service_kit.settings import setting


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings(TunnelSettings):
    """Settings of the admin port, with those of tunnels, whose limits the metrics show."""

    admin_host: str = setting(
        "ADMIN_HOST",
        "127.0.0.1",
        "address to listen on for /healthz, /readyz and /metrics, which need no authentication",
        listening_address,
    )
    admin_port: int | None = setting(
        "ADMIN_PORT",
        "",
        "TCP port for /healthz, /readyz and /metrics; 0: any free port, which is written to the "
        "log; unset: no such port",
        optional(integer(0, 65535)),
    )
