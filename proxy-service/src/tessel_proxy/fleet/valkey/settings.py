"""Settings of the fleet's engine: where it is, and how this proxy proves who it is."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tessel_proxy.fleet.valkey.address import EngineAddress, engine_address
from tessel_service_kit.parsers import optional
from tessel_service_kit.settings import Settings, setting


def _password(text: str) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class EngineSettings(Settings):
    """The settings of a Valkey or Redis that the proxies of a fleet share."""

    fleet_url: EngineAddress | None = setting(
        "FLEET_URL",
        "",
        "Valkey or Redis (7 or later) in which the proxies of a fleet share the limits of "
        "accounts: valkey://[USER@]HOST[:PORT][/DATABASE]; valkeys:// for TLS; with Sentinel "
        "valkey+sentinel://[USER@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DATABASE]; unset: limits "
        "hold for each host alone. Needs `pip install tessel-proxy[fleet]`",
        optional(engine_address),
    )
    fleet_password: str | None = setting(
        "FLEET_PASSWORD",
        "",
        "password of the user in FLEET_URL, or of the default user; unset: no password",
        optional(_password),
        secret=True,
    )
    fleet_sentinel_password: str | None = setting(
        "FLEET_SENTINEL_PASSWORD",
        "",
        "password of the Sentinels, if they ask for one; unset: no password",
        optional(_password),
        secret=True,
    )
    fleet_ca_file: Path | None = setting(
        "FLEET_CA_FILE",
        "",
        "file of PEM with the authorities that may have signed the engine's certificate "
        "(valkeys://); unset: those of the system",
        optional(Path),
    )
