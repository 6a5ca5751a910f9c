"""The system as processes of this machine, on loopback and ports that happen to be free.

The far site is known by the name `localhost`, the near one by 127.0.0.1: that tells them apart for
a device's settings, though both are on the same interface.
"""

import json
import socket
import sys
import urllib.request
from pathlib import Path

from support.deployment.base import (
    CLIENT,
    SERVICE_SECONDS,
    TOKEN,
    Deployment,
    Site,
)
from support.processes import Process
from support.waiting import eventually

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "tests" / "e2e" / "programs"
LOOPBACK = "127.0.0.1"


class LocalDeployment(Deployment):
    """Everything started by the constructor; `folder` takes certificates and logs."""

    def __init__(self, folder):
        self._folder = folder
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
        self._token_service_port = free_port()
        self.start_token_service()
        self.far = self._start_site("far", "localhost", site_certificates)
        self.near = self._start_site("near", LOOPBACK, site_certificates)
        self._proxy_settings = {
            "HOST": LOOPBACK,
            "PORT": "0",
            "CERT_FILE": str(proxy_certificates / "public-cert.pem"),
            "KEY_FILE": str(proxy_certificates / "private-key.pem"),
            "AUTH_TESSEL_OA2": f"http://{CLIENT}@{LOOPBACK}:{self._token_service_port}",
            "EGRESS_ALLOW": "127.0.0.0/8 ::1/128",  # the sites are on loopback
            "TARGET_CA_FILE": self.target_authority,
            "LOG_FORMAT": "json",
        }
        self._proxy_starts = 0
        self.start_proxy()

    def _make_certificates(self, name):
        folder = self._folder / name
        folder.mkdir()
        making = self._start(
            [command("tessel-proxy"), "make-cert", "localhost", LOOPBACK],
            {
                "CERT_FILE": str(folder / "public-cert.pem"),
                "KEY_FILE": str(folder / "private-key.pem"),
            },
            f"make-cert-{name}",
        )
        if making.wait(SERVICE_SECONDS) != 0:
            raise RuntimeError(f"tessel-proxy make-cert failed\n{making.stderr}")
        return folder

    def _start_site(self, name, host, certificates):
        site = self._start(
            [
                *(sys.executable, "-m", "support.target_site", "--name", name),
                *("--certificate", certificates / "public-cert.pem"),
                *("--key", certificates / "private-key.pem"),
            ],
            {"PYTHONPATH": str(ROOT / "tests")},
            name,
        )
        line = eventually(lambda: site.stdout, SERVICE_SECONDS, lambda: f"{name}\n{site.stderr}")
        return Site(name, host, json.loads(line)["listening"])

    def _start(self, argv, settings, name):
        process = Process(argv, settings, self._folder, name)
        self._processes.append(process)
        return process

    def start(self, command_line, settings):
        self._runs += 1
        name, *args = command_line
        return self._start([command(name), *args], settings, f"device-{self._runs}")

    def program(self, name):
        return str(PROGRAMS / name)

    def ask(self, site, path):
        url = f"http://{LOOPBACK}:{site.ports['control']}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    def proxy_log_text(self):
        return self._proxy.stderr

    def kill_proxy(self):
        self._proxy.kill()

    def start_proxy(self):
        self._proxy = self._start([command("tessel-proxy")], self._proxy_settings, "tessel-proxy")
        self._proxy_starts += 1
        port = self.wait_for_proxy(self._proxy_starts)[0]["port"]
        self.proxy_address = (LOOPBACK, port)
        self._proxy_settings["PORT"] = str(port)  # a restarted one is found where it was

    def stop_token_service(self):
        self._token_service.stop()

    def start_token_service(self):
        settings = {
            "HOST": LOOPBACK,
            "PORT": str(self._token_service_port),
            "SEED_API_KEY": TOKEN,
        }
        self._token_service = self._start([command("tessel-oauth")], settings, "tessel-oauth")
        eventually(
            lambda: accepts(self._token_service_port),
            SERVICE_SECONDS,
            lambda: f"tessel-oauth\n{self._token_service.stderr}",
        )

    def close(self):
        for process in reversed(self._processes):
            process.stop()


def command(name):
    """That command of the virtual environment this runs in."""
    return Path(sys.executable).with_name(name)


def free_port():
    """A port nobody listens on now. It is not kept: for a service that cannot take port 0."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection((LOOPBACK, port), 1).close()
    except ConnectionRefusedError:
        return False
    return True
