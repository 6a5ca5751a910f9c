"""Settings of workers on one host."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tessel_service_kit.parsers import integer, optional
from tessel_service_kit.settings import Settings, setting

MAX_WORKERS: Final = 256
"""More than any host has cores for: each worker takes 60 MB and up to some hundred threads."""

SHORTEST_TIMEOUT_S: Final = 4
"""The supervisor looks each second: it must miss two answers to report, and then some more to kill.
30, the default, is also gunicorn's. The longest that a healthy worker was seen not to answer is
0.2 s, with eight busy processes for each core; a host that swaps may need seconds."""

MAX_SOCKET_PATH: Final = 107  # bytes: the kernel's sun_path, without the final zero


def workers(text: str) -> int:
    """Parse a number of workers; `auto` is one for each core that this process may use."""
    if text.lower() == "auto":
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS) if _has_affinity() else _cores()
    try:
        return integer(1, MAX_WORKERS)(text)
    except ValueError as error:
        raise ValueError(f"auto, or {error}") from None


def _has_affinity() -> bool:
    return hasattr(os, "sched_getaffinity")  # Linux


def _cores() -> int:
    return min(os.cpu_count() or 1, MAX_WORKERS)


def socket_path(text: str) -> Path:
    """Parse the path of a UNIX socket, whose length the kernel limits."""
    if len(os.fsencode(text)) > MAX_SOCKET_PATH:
        raise ValueError(f"a path of at most {MAX_SOCKET_PATH} bytes")
    return Path(text)


@dataclass(frozen=True, kw_only=True)
class FleetSettings(Settings):
    """Settings of the supervisor and its workers."""

    workers: int = setting(
        "WORKERS",
        "1",
        "processes that serve devices, or auto: one for each core; with more than 1, a supervisor "
        "starts them and replaces those that die. MAX_UNAUTHENTICATED, MAX_HANDSHAKES and "
        "MEMORY_MAX_MIB are divided among them, all other limits hold for all of them together",
        workers,
    )
    worker_timeout_s: int = setting(
        "WORKER_TIMEOUT_S",
        "30",
        "seconds without an answer to the supervisor after which a worker is killed and replaced; "
        "after half of them it is reported, and the proxy is not ready. Only with WORKERS above 1",
        integer(SHORTEST_TIMEOUT_S, 3600),
    )
    control_socket: Path | None = setting(
        "CONTROL_SOCKET",
        "",
        "path of a UNIX socket for the operator's commands, such as `tunnels`, `end` and "
        "`upgrade`, which only the proxy's user and root can use; `upgrade` needs WORKERS above "
        "1; unset: no socket, only SIGUSR2 begins an upgrade, and the other commands need --url "
        "and the operator's token",
        optional(socket_path),
    )
