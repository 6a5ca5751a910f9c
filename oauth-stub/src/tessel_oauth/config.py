"""Every setting of the token service, read once from the environment, all faults named at once.

The fields below are the one table: from them come the values and `tessel-oauth --help`.
"""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from tessel_oauth.errors import ConfigError
from tessel_oauth.settings import (
    METADATA_KEY,
    Setting,
    client_id,
    database,
    integer,
    listening_address,
    one_of,
    optional,
    printable,
    setting,
)

IN_MEMORY: Final = ":memory:"  # SQLite's own word
MAX_LIFETIME_S: Final = 100 * 366 * 24 * 3600


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one token service. What is not given has its default."""

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
        optional(printable),
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
        from_file=True,
    )
    token_lifetime_s: int | None = setting(
        "TOKEN_LIFETIME_S",
        "",
        "seconds an access token is valid; unset: for ever",
        optional(integer(1, MAX_LIFETIME_S)),
    )
    log_level: LogLevel = setting(
        "LOG_LEVEL", "info", "least level that is logged", one_of(LogLevel)
    )
    log_format: LogFormat = setting(
        "LOG_FORMAT", "text", "text or json, a line each on standard error", one_of(LogFormat)
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """The settings of this environment; raises ConfigError with all that is wrong."""
        values: dict[str, Any] = {}  # setting() has tied each parser to its field's type
        faults: list[str] = []
        for field in fields(cls):
            try:
                values[field.name] = field.metadata[METADATA_KEY].read(environ)
            except ConfigError as error:
                faults += error.faults
        if faults:
            raise ConfigError(faults)
        return cls(**values)


SETTINGS: Final[tuple[Setting, ...]] = tuple(
    field.metadata[METADATA_KEY] for field in fields(Config)
)


def described() -> str:
    """The settings as a table for people."""
    width = max(len(each.names[-1]) for each in SETTINGS) + 2
    lines = []
    for each in SETTINGS:
        default = f" (default: {each.default})" if each.default else ""
        lines.append(f"  {each.name:{width}}{each.meaning}{default}")
        lines += [f"  {name:{width}}a file that holds it" for name in each.names[1:]]
    return "\n".join(lines)
