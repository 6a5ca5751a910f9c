"""The commands that tell proxies something, and what the engine of a fleet knows."""

import os
import subprocess

from support.hardening.proxy import COMMAND


def members(server):
    """Return how many proxies and workers the engine knows."""
    reply = server.ask("sesame", "ZCARD", "tessel:members")
    return int(reply.partition(b":")[2])


def fleet(server, password="sesame"):
    """Return the settings of a command that reaches the proxies through their engine."""
    return {"FLEET_URL": f"valkey://127.0.0.1:{server.port}", "FLEET_PASSWORD": password}


def tell(settings, *words):
    """Run a command of `tessel-proxy` with these settings."""
    return subprocess.run(
        [*COMMAND, *words],
        env={**settings, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
