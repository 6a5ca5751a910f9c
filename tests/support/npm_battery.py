"""The programs in tests/e2e/javascript/npm: their modules, their servers, and runs on a device."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from lab.deployment.base import PROGRAM_SECONDS, SERVICE_SECONDS, finish
from lab.processes import Process
from lab.waiting import eventually
from support.node import node

SOURCES = Path(__file__).parents[1] / "e2e" / "javascript" / "npm"
LOOPBACK = "127.0.0.1"
NPM_SECONDS = 120  # npm takes 5 s, or a minute with a slow connection and nothing in its cache
NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
OFFLINE = {"EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT"}


def install(folder, sources=SOURCES):
    """Copy `sources` to a new folder and install the modules there, without their scripts.

    Skips the test if there is no npm, or npm cannot reach a registry. Every other failure of npm,
    such as a checksum that does not match, is an error.
    """
    if shutil.which("npm") is None:
        pytest.skip("npm, which installs the modules, is not on PATH")
    shutil.copytree(sources, folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        NPM_CI, cwd=folder, capture_output=True, text=True, timeout=NPM_SECONDS, check=False
    )
    codes = set(re.findall(r"\bcode (E\w+)", done.stderr))
    if codes & OFFLINE:
        pytest.skip(f"npm cannot reach its registry: {', '.join(sorted(codes))}")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(NPM_CI)} failed\n{done.stdout}{done.stderr}")


class Battery:
    """The installed programs, and their servers, which are started by the constructor.

    Args:
        deployment: local processes; its device runs the programs.
        folder: where the programs and their modules are installed.
    """

    def __init__(self, deployment, folder):
        self._deployment = deployment
        self._folder = folder
        self._host = deployment.far.host
        certificates = Path(deployment.target_authority).parent
        self._servers = Process(
            [
                *(node(), folder / "servers.js"),
                *(certificates / "public-cert.pem", certificates / "private-key.pem"),
            ],
            {},
            folder,
            "servers",
        )
        self.ports = json.loads(
            eventually(
                lambda: self._servers.stdout,
                SERVICE_SECONDS,
                lambda: f"the servers listen\n{self._servers.stderr}",
            )
        )

    def close(self):
        self._servers.stop()

    def launch(self, name, **settings):
        """Start a program on the device; a setting that is None is left out."""
        program = self._folder / "programs" / f"{name}.js"
        merged = {**self._deployment.device_settings(), **settings}
        return self._deployment.start(
            ["tessel", "run", str(program), self._host, json.dumps(self.ports)],
            {name: value for name, value in merged.items() if value is not None},
        )

    def run(self, name, **settings):
        """Run a program to its end."""
        return finish(self.launch(name, **settings), PROGRAM_SECONDS)

    def run_with_url(self, program, scheme):
        """Run a program whose argument is the address of a server to its end, with the tunnel."""
        command = ["tessel", "run", str(program), f"{scheme}://{self._host}:{self.ports[scheme]}"]
        settings = self._deployment.device_settings()
        return finish(self._deployment.start(command, settings), PROGRAM_SECONDS)

    def connections(self):
        """Return how many connections each server has had, by service."""
        url = f"http://{LOOPBACK}:{self.ports['control']}/connections"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return Counter(json.load(answer))

    def services_of(self, substreams):
        """Return how many of these substreams lead to each of the servers, by service."""
        services = {f"{self._host}:{port}": name for name, port in self.ports.items()}
        targets = [line["target"] for line in substreams]
        return Counter(services[target] for target in targets if target in services)
