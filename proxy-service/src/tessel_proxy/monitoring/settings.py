"""Settings of the admin port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tessel_proxy.tunnel.settings import TunnelSettings
from tessel_service_kit.parsers import integer, listening_address, optional
from tessel_service_kit.settings import setting

LEAST_CHARACTERS: Final = 16
"""Characters of the operator's token, which allows to end every tunnel."""


def operators_token(text: str) -> str:
    """Parse ADMIN_TOKEN; raises ValueError if it can be guessed, or cannot be sent in a header."""
    if len(text) < LEAST_CHARACTERS or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(f"{LEAST_CHARACTERS} or more printable ASCII characters without spaces")
    return text


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings(TunnelSettings):
    """Settings of the admin port, with those of tunnels, whose limits the metrics show."""

    admin_host: str = setting(
        "ADMIN_HOST",
        "127.0.0.1",
        "address to listen on for /healthz, /readyz and /metrics, which need no authentication",
        listening_address,
    )
    admin_token: str | None = setting(
        "ADMIN_TOKEN",
        "",
        "token of the operator: with it, the admin port also serves the page and the API, by which "
        "tunnels are seen and ended; 16 characters or more; unset: neither exists there",
        optional(operators_token),
        secret=True,
        how_to_make="`(umask 077; head -c 24 /dev/urandom | base64 > {path})` makes one",
    )
    admin_port: int | None = setting(
        "ADMIN_PORT",
        "",
        "TCP port for /healthz, /readyz and /metrics; 0: any free port, which is written to the "
        "log; unset: no such port",
        optional(integer(0, 65535)),
    )
