"""Every setting of the token service, read once from the environment, all faults named at once.

The fields below are the one table: from them come the values and `tessel-oauth --help`.
"""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tessel_oauth.parsers import api_key, client_id, database, printable
from tessel_service_kit.logs import LogFormat, LogLevel, format_setting, level_setting
from tessel_service_kit.parsers import integer, listening_address, optional
from tessel_service_kit.settings import Settings, setting

IN_MEMORY: Final = ":memory:"  # SQLite's own word
MAX_LIFETIME_S: Final = 100 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """The settings of one token service."""

    host: str = setting("HOST", "127.0.0.1", "address to listen on", listening_address)
    port: int = setting(
        "PORT", "3002", "port to listen on; 0: any free one, which the log tells", integer(0, 65535)
    )
    database: str = setting(
        "DATABASE", IN_MEMORY, "file that keeps the data; :memory: keeps none", database
    )
    seed_account: str = setting(
        "SEED_ACCOUNT", "tessel-dev", "account that is made if there is none of its name", printable
    )
    seed_api_key: str | None = setting(
        "SEED_API_KEY",
        "",
        "API key of that account when it is made; unset: generated, shown once on standard output",
        optional(api_key),
        secret=True,
    )
    client_id: str = setting(
        "CLIENT_ID", "tessel-proxy-dev", "the client that may trade keys for tokens", client_id
    )
    client_secret: str = setting(
        "CLIENT_SECRET",
        "the-tessel-devenv",
        "its secret, brought up to date at each start",
        printable,
        secret=True,
    )
    token_lifetime_s: int | None = setting(
        "TOKEN_LIFETIME_S",
        "",
        "seconds an access token is valid; unset: for ever",
        optional(integer(1, MAX_LIFETIME_S)),
    )
    log_level: LogLevel = level_setting()
    log_format: LogFormat = format_setting()


SETTINGS: Final = tuple(Config.table().values())
