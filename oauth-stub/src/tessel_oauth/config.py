"""The settings of the token service, read from the environment at its start.

The fields below are the only list of settings: `tessel-oauth --help` and docs/settings.md are
made from them.
"""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tessel_oauth.parsers import api_key, client_id, database, printable
from tessel_service_kit.logs import LogFormat, LogLevel, format_setting, level_setting
from tessel_service_kit.parsers import integer, listening_address, optional
from tessel_service_kit.settings import Settings, setting

IN_MEMORY: Final = ":memory:"  # as SQLite calls it
MAX_LIFETIME_S: Final = 100 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """The settings of the token service, one field for each environment variable."""

    host: str = setting("HOST", "127.0.0.1", "address to listen on", listening_address)
    port: int = setting(
        "PORT",
        "3002",
        "TCP port to listen on; 0: any free port, which is written to the log",
        integer(0, 65535),
    )
    database: str = setting(
        "DATABASE",
        IN_MEMORY,
        "SQLite file for accounts and tokens; :memory: all data is lost when the service stops",
        database,
    )
    seed_account: str = setting(
        "SEED_ACCOUNT",
        "tessel-dev",
        "name of the account that is created at the start if it does not exist",
        printable,
    )
    seed_api_key: str | None = setting(
        "SEED_API_KEY",
        "",
        "API key of SEED_ACCOUNT, used only when the account is created; "
        "unset: a random key, printed once on standard output",
        optional(api_key),
        secret=True,
    )
    client_id: str = setting(
        "CLIENT_ID",
        "tessel-proxy-dev",
        "OAuth client that may exchange API keys for access tokens",
        client_id,
    )
    client_secret: str = setting(
        "CLIENT_SECRET",
        "the-tessel-devenv",
        "secret of CLIENT_ID; a changed value replaces the stored secret at the next start",
        printable,
        secret=True,
    )
    token_lifetime_s: int | None = setting(
        "TOKEN_LIFETIME_S",
        "",
        "seconds until a new access token expires; unset: it never expires",
        optional(integer(1, MAX_LIFETIME_S)),
    )
    log_level: LogLevel = level_setting()
    log_format: LogFormat = format_setting()


SETTINGS: Final = tuple(Config.table().values())
