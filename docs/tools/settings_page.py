"""Write docs/settings.md from the tables of settings in the code: `make settings-page`.

The groups and their order are here, the settings' names, defaults and descriptions are the code's.
A test fails if the page is not what this module makes, or if a setting is in no group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from tessel.gateway import GATEWAY_SETTINGS
from tessel.settings import SETTINGS as DEVICE_SETTINGS
from tessel_oauth.config import SETTINGS as TOKEN_SERVICE_SETTINGS
from tessel_proxy.startup.config import SETTINGS as PROXY_SETTINGS

PAGE: Final = Path(__file__).parents[1] / "settings.md"

DEVICE: Final = {
    "Basic settings": "PROXY_HOST PROXY_PORT PROXY_TOKEN PROXY_CERT PROXY_DEVICE _PROXY_DBG",
    "Which way a connection goes": "PROXY_LOCAL PROXY_TLS PROXY_TRUSTED",
    "Life of the tunnel": "PROXY_IDLE PING_INTERVAL_S PING_TIMEOUT_S",
    "JavaScript programs": "TESSEL_NODE TESSEL_COMPAT TESSEL_BOARD_LOG TESSEL_BOARD_INPUT",
    "Radio and Wi-Fi": "RADIO CC3000_PROFILE WIFI_SSID WIFI_PASSWORD WIFI_SECURITY",
    "A real CC3000": "CC3000_SPI CC3000_GPIO_CS CC3000_GPIO_IRQ CC3000_GPIO_VBAT_EN",
}
GATEWAY: Final = {
    "The gateway's port": "GATEWAY_LISTEN GATEWAY_USER GATEWAY_PASSWORD GATEWAY_MAX_CLIENTS "
    "GATEWAY_HANDSHAKE_TIMEOUT_S",
}
PROXY: Final = {
    "Basic settings": "HOST PORT CERT_FILE KEY_FILE AUTH_HARDCODED EGRESS_ALLOW EGRESS_DENY",
    "Tokens": "AUTH_FILE INVITATIONS_DIR AUTH_TESSEL_OA2 AUTH_PLUGIN AUTH_CACHE_S AUTH_STALE_S "
    "AUTH_RECHECK_S AUTH_TIMEOUT_S AUTH_PENALTY_S MAX_WRONG_TOKENS",
    "What devices may reach": "EGRESS_MODE POLICY_FILE TARGET_CA_FILE CONNECT_TIMEOUT_S",
    "Certificates": "KEY_PASS CLIENT_CA_FILE CLIENT_CRL_FILE RELOAD_LOOK_S",
    "Tessel 1 boards": "LEGACY_PORT LEGACY_CERT_FILE LEGACY_KEY_FILE",
    "Logs, health and metrics": "LOG_LEVEL LOG_FORMAT LOG_FILE LOG_FILE_MIB ADMIN_HOST ADMIN_PORT "
    "ADMIN_TOKEN",
    "What an operator does": "REFUSALS_FILE USAGE_FILE AUDIT_LOG_FILE",
    "Traces": "OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER_ARG",
    "Limits on connections": "MAX_TUNNELS MAX_TUNNELS_PER_ACCOUNT MAX_SUBSTREAMS "
    "MAX_SUBSTREAMS_PER_ACCOUNT OPENS_PER_S MAX_UNAUTHENTICATED MAX_HANDSHAKES",
    "Limits on bytes and memory": "BYTES_PER_S BYTES_PER_DAY MEMORY_MAX_MIB SUBSTREAM_WINDOW_MAX "
    "TUNNEL_WINDOW_MAX",
    "Timeouts": "HANDSHAKE_TIMEOUT_S SUBSTREAM_IDLE_S PING_INTERVAL_S PING_TIMEOUT_S "
    "TCP_KEEPALIVE_IDLE_S TCP_KEEPALIVE_INTERVAL_S TCP_KEEPALIVE_PROBES",
    "Workers and fleets": "WORKERS WORKER_TIMEOUT_S CONTROL_SOCKET FLEET_URL FLEET_PASSWORD "
    "FLEET_CA_FILE FLEET_SENTINEL_PASSWORD",
    "Stopping, and load balancers": "DRAIN_S DRAIN_DELAY_S DRAIN_RETURN_S PROXY_PROTOCOL_FROM",
}
TOKEN_SERVICE: Final = {
    "Basic settings": "HOST PORT DATABASE SEED_ACCOUNT SEED_API_KEY",
    "The client": "CLIENT_ID CLIENT_SECRET TOKEN_LIFETIME_S",
    "Logs": "LOG_LEVEL LOG_FORMAT",
}

HEAD: Final = """\
<!-- Made by `make settings-page` from the tables of settings in the code. Do not edit. -->

# Settings

All settings are environment variables. Each command lists its own settings with `--help`. An empty
value counts as unset.

- [The device](#the-device): `tessel run`. `--env NAME=VALUE` before the program's name sets a
  variable as well.
- [The gateway](#the-gateway): `tessel gateway`, besides the settings of the device.
- [The proxy](#the-proxy): `tessel-proxy`. `tessel-proxy check-config` reports all faults of the
  settings at once.
- [The token service](#the-token-service): `tessel-oauth`.

A secret can come from a file: `NAME_FILE` is the path of a file that contains the value of `NAME`.
Set only one of the two.
"""
INTRODUCTIONS: Final = {
    "The device": "The device reads its settings when the program opens its first connection. "
    "Until then, the program itself can set them in `os.environ`. If neither `PROXY_HOST` nor a "
    "token is set, `tessel run`, `gateway` and `connect` add the settings in "
    "`~/.config/tessel/settings.env`, or in the file that `TESSEL_SETTINGS_FILE` names: "
    "[`tessel join`](tokens.md#invite-a-device-without-typing-a-token) writes it.",
    "The gateway": "The gateway reads its settings at the start. Those of the device decide how it "
    "connects, with one other default: `RADIO=host`. [gateway.md](gateway.md) explains it.",
    "The proxy": "The proxy reads its settings at the start. [What is read again](tokens.md"
    "#what-is-read-again) on SIGHUP is in a table. `deploy/compose.env` and the systemd unit in "
    "`deploy/` change some defaults.",
    "The token service": "The token service is for development and tests.",
}


class Setting(Protocol):
    """What the tables of device and services have in common."""

    @property
    def names(self) -> tuple[str, ...]:
        """All variables that set it; the first is its name."""

    @property
    def default(self) -> str: ...

    @property
    def meaning(self) -> str: ...


TABLES: Final[Mapping[str, tuple[Mapping[str, str], Sequence[Setting]]]] = {
    "The device": (DEVICE, DEVICE_SETTINGS),
    "The gateway": (GATEWAY, GATEWAY_SETTINGS),
    "The proxy": (PROXY, PROXY_SETTINGS),
    "The token service": (TOKEN_SERVICE, TOKEN_SERVICE_SETTINGS),
}


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for title, (groups, settings) in TABLES.items():
        parts += [f"## {title}\n", INTRODUCTIONS[title] + "\n", *grouped(groups, settings)]
    return "\n".join(parts)


def grouped(groups: Mapping[str, str], settings: Iterable[Setting]) -> Iterable[str]:
    """A heading and a table for each group."""
    known = {each.names[0]: each for each in settings}
    for title, names in groups.items():
        rows = "\n".join(row(known[name]) for name in names.split())
        yield f"### {title}\n\n| setting | default | description |\n|---|---|---|\n{rows}\n"


def row(setting: Setting) -> str:
    names = ", ".join(f"`{name}`" for name in setting.names)
    default = f"`{setting.default}`" if setting.default else ""
    return f"| {names} | {default} | {setting.meaning.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(page())
