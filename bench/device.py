"""Both ends ours: a program on the device, its host radio, the tunnel, the proxy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from bench.contenders import LOOPBACK, TOKEN, Ground, command
from bench.processes import BenchError

PROGRAM = Path(__file__).with_name("device_program.py")
_RUN_S = 120.0  # what a program may take


def transfer(ground: Ground, proxy_port: int, direction: str, nbytes: int) -> Mapping[str, float]:
    """Seconds and CPU seconds of the device, its start not counted."""
    settings = {
        "RADIO": "host",  # the emulated chip is measured by radio.py
        "PROXY_HOST": LOOPBACK,
        "PROXY_PORT": str(proxy_port),
        "PROXY_TOKEN": TOKEN,
        "PROXY_CERT_FILE": str(ground.folder / "authority-cert.pem"),
        "PROXY_LOCAL": "local.invalid",  # the site is on loopback, which is else reached directly
    }
    arguments = [direction, str(ground.site_port), str(nbytes)]
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
