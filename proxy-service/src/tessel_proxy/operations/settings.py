"""Settings of what an operator does and sees."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tessel_service_kit.parsers import optional
from tessel_service_kit.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class OperationsSettings(Settings):
    """Files in which refusals, usage and the audit outlive the process."""

    refusals_file: Path | None = setting(
        "REFUSALS_FILE",
        "",
        "file in which the operator's refusals are kept, JSON, written by the proxy, mode 600; its "
        "folder must be writable; with FLEET_URL the engine keeps them, and the file is this "
        "host's copy for a start without the engine; unset: without FLEET_URL they end with the "
        "process",
        optional(Path),
    )
    usage_file: Path | None = setting(
        "USAGE_FILE",
        "",
        "SQLite file with the bytes, openings, tunnels and refusals of each account and day (UTC) "
        "for 90 days, written by the proxy every 5 s, mode 600; its folder must be writable; with "
        "FLEET_URL they are kept by the engine instead; unset: without FLEET_URL they are not kept",
        optional(Path),
    )
    audit_log_file: Path | None = setting(
        "AUDIT_LOG_FILE",
        "",
        "regular file, mode 600, for the audit: a line in LOG_FORMAT for each command of the "
        "operator, whatever LOG_LEVEL is; it is rotated at LOG_FILE_MIB, as LOG_FILE; unset: these "
        "lines go to the log, with the event `audit` and level info",
        optional(Path),
    )
