"""The system as processes of this machine, on loopback and free ports.

Both sites are on the same interface. The far site is called `localhost` and the near one 127.0.0.1,
so that the device's settings can tell them apart.
"""

import json
import random
import socket
import sys
import urllib.request
from pathlib import Path

from lab.deployment.base import CLIENT, SERVICE_SECONDS, TOKEN, Deployment, Site
from lab.processes import Process
from lab.service_log import ServiceLog
from lab.waiting import eventually

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "e2e" / "programs"
LOOPBACK = "127.0.0.1"
QUIET_PORTS = range(20_000, 32_000)  # below those that systems give to outgoing connections
PORT_TRIES = 50


class LocalDeployment(Deployment):
    """Processes that are started by the constructor.

    Args:
        folder: directory for certificates and logs.
        announce: called with each command line and its settings before it runs.
    """

    def __init__(self, folder, announce=lambda command_line, settings: None):
        self._folder = folder
        self._announce = announce
        self._processes = []
        self._runs = 0
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise

    def _start_all(self):
        proxy_certificates = self._make_certificates("proxy")
        site_certificates = self._make_certificates("sites")
        self.proxy_authority = str(proxy_certificates / "authority-cert.pem")
        self.target_authority = str(site_certificates / "authority-cert.pem")
        self.far = self._start_site("far", "localhost", site_certificates)
        self.near = self._start_site("near", LOOPBACK, site_certificates)
        self._token_service = _Service(self._start, "tessel-oauth", {"SEED_API_KEY": TOKEN})
        proxy_settings = {
            "CERT_FILE": str(proxy_certificates / "public-cert.pem"),
            "KEY_FILE": str(proxy_certificates / "private-key.pem"),
            "AUTH_TESSEL_OA2": f"http://{CLIENT}@{LOOPBACK}:{self._token_service.port}",
            "AUTH_CACHE_S": "0",  # the scenarios stop the token service and expect an effect
            "AUTH_STALE_S": "0",
            "EGRESS_ALLOW": "127.0.0.0/8 ::1/128",  # the sites are on loopback
            "TARGET_CA_FILE": self.target_authority,
        }
        self._proxy = _Service(self._start, "tessel-proxy", proxy_settings)
        self.proxy_address = (LOOPBACK, self._proxy.port)

    def _make_certificates(self, name):
        folder = self._folder / name
        folder.mkdir()
        making = self._start(
            [_command("tessel-proxy"), "make-cert", "--out", folder, "localhost", LOOPBACK],
            {},
            f"make-cert-{name}",
        )
        if making.wait(SERVICE_SECONDS) != 0:
            raise RuntimeError(f"tessel-proxy make-cert failed\n{making.stderr}")
        return folder

    def _start_site(self, name, host, certificates):
        site = self._start(
            [
                *(sys.executable, "-m", "lab.target_site", "--name", name),
                *("--certificate", certificates / "public-cert.pem"),
                *("--key", certificates / "private-key.pem"),
            ],
            {"PYTHONPATH": str(ROOT)},
            name,
        )
        line = eventually(lambda: site.stdout, SERVICE_SECONDS, lambda: f"{name}\n{site.stderr}")
        return Site(name, host, json.loads(line)["listening"])

    def _start(self, command_line, settings, name):
        self._announce([str(word) for word in command_line], settings)
        process = Process(command_line, settings, self._folder, name)
        self._processes.append(process)
        return process

    def start(self, command_line, settings):
        self._runs += 1
        name, *args = command_line
        return self._start([_command(name), *args], settings, f"device-{self._runs}")

    def program(self, name):
        return str(PROGRAMS / name)

    def ask(self, site, path):
        url = f"http://{LOOPBACK}:{site.ports['control']}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    def proxy_log_text(self):
        return self._proxy.process.stderr

    def kill_proxy(self):
        self._proxy.process.kill()

    def start_proxy(self):
        self._proxy.start()

    def stop_token_service(self):
        self._token_service.process.stop()

    def start_token_service(self):
        self._token_service.start()

    def close(self):
        for process in reversed(self._processes):
            process.stop()


class _Service:
    """A service that gets a free port at its first start and uses it again at later starts."""

    def __init__(self, start_process, name, settings):
        self._start_process = start_process
        self._name = name
        self._starts = 0
        self._settings = {**settings, "HOST": LOOPBACK, "LOG_FORMAT": "json"}
        self.port = _quiet_port()
        self.start()

    def start(self):
        self._starts += 1
        settings = {**self._settings, "PORT": str(self.port)}
        self.process = self._start_process([_command(self._name)], settings, self._name)
        eventually(self._listening, SERVICE_SECONDS, self._why_not)

    def _listening(self):
        """Return the "listening" lines of this start. Raises RuntimeError if it has ended."""
        if self.process.exit_code is not None:
            raise RuntimeError(self._why_not())
        return ServiceLog.parsed(self.process.stderr).events("listening")[self._starts - 1 :]

    def _why_not(self):
        return f"{self._name} does not listen\n{self.process.stderr}"


def _command(name):
    """Return the path of a command in this virtual environment."""
    return Path(sys.executable).with_name(name)


def _quiet_port():
    """Return a free port that no outgoing connection takes while the service is stopped."""
    for port in random.sample(QUIET_PORTS, PORT_TRIES):
        with socket.socket() as trial:
            try:
                trial.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"none of {PORT_TRIES} ports in {QUIET_PORTS} is free")
