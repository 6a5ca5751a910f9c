"""Transfers by a program on the simulated device: both ends of the tunnel are this project's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from bench.contenders import LOOPBACK, TOKEN, Setup, command
from bench.processes import BenchError

PROGRAM = Path(__file__).with_name("device_program.py")
_RUN_S = 120.0  # limit for one program


def transfer(setup: Setup, proxy_port: int, direction: str, nbytes: int) -> Mapping[str, float]:
    """Transfer bytes; return `seconds` and `cpu_s` of the device, without its start.

    `direction` is D (down) or U (up).
    """
    settings = {
        "RADIO": "host",  # the emulated chip is measured by radio.py
        "PROXY_HOST": LOOPBACK,
        "PROXY_PORT": str(proxy_port),
        "PROXY_TOKEN": TOKEN,
        "PROXY_CERT_FILE": str(setup.folder / "authority-cert.pem"),
        "PROXY_LOCAL": "local.invalid",  # by default, the device reaches loopback directly
    }
    arguments = [direction, str(setup.site_port), str(nbytes)]
    try:
        done = subprocess.run(
            [command("tessel"), "run", PROGRAM, *arguments],
            env=settings,
            capture_output=True,
            text=True,
            timeout=_RUN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"the device did not finish in {_RUN_S:g} s") from None
    if done.returncode != 0:
        raise BenchError(f"the device failed\n{done.stderr}")
    return cast("Mapping[str, float]", json.loads(done.stdout))
