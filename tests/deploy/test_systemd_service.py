"""The unit under a real systemd, installed with the commands of docs/operating.md.

A certificate is renewed in each supported way, and the service is restarted afterwards.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.waiting import eventually
from support.container_engine import ENGINE, needs_engine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
IMAGE = "tessel-proxy-systemd-test"
BUILD_SECONDS = 900
SECONDS = 60
KEY = "/etc/tessel-proxy/tls/private-key.pem"
CHAIN = "/etc/tessel-proxy/tls/public-cert.pem"
AT_BUILD = ("python3 -m venv", "pip install")  # those are in the image already
RENEWALS = {
    "make-cert": "/opt/tessel-proxy/bin/tessel-proxy make-cert "
    "--out /etc/tessel-proxy/tls a.example",
    "hook": "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=a.example "
    "-addext subjectAltName=DNS:a.example -keyout /root/key.pem -out /root/chain.pem 2>&1 "
    "&& deploy/acme/install-certificate /root/chain.pem /root/key.pem",
}


pytestmark = [
    needs_engine,
    pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed"),
    pytest.mark.timeout(BUILD_SECONDS + SECONDS),
]


class Host:
    """A container whose first process is systemd."""

    def __init__(self, container):
        self._container = container

    def run(self, command):
        code, output = self.result(command)
        assert code == 0, f"{command}\n{output}"
        return output.strip()

    def result(self, command):
        done = self._container.exec_run(["sh", "-c", command], workdir="/checkout")
        return done.exit_code, done.output.decode()

    def is_up(self):
        return self.result("systemctl is-system-running | grep -E 'running|degraded'")[0] == 0

    def is_ready(self):
        return self.result("curl --silent --fail 127.0.0.1:9105/readyz")[1] == "ok\n"

    def journal(self):
        return self.run("journalctl --unit tessel-proxy --no-pager")

    def access(self, path):
        return self.run(f"stat -c '%U:%G %a' {path}")

    def await_ready(self):
        eventually(self.is_ready, SECONDS, self.journal)


def documented():
    """Return the commands of a section, for root."""
    page = (ROOT / "docs" / "operating.md").read_text()
    (block,) = re.findall(r"### With systemd\n\n```sh\n(.+?)```", page, re.DOTALL)
    commands = block.replace("sudo ", "").splitlines()
    return [each for each in commands if not any(words in each for words in AT_BUILD)]


def build():
    done = subprocess.run(
        ["docker", "build", "--tag", IMAGE, "--file", HERE / "systemd" / "Dockerfile", ROOT],
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def host():
    build()
    container = ENGINE.containers.run(
        IMAGE,
        detach=True,
        privileged=True,  # systemd mounts, and makes control groups
        cgroupns="private",
        network_mode="none",
        tmpfs={"/run": "", "/tmp": ""},
        volumes={
            str(ROOT / each): {"bind": f"/checkout/{each}", "mode": "ro"}
            for each in ("deploy", "docs")
        },
    )
    try:
        host = Host(container)
        eventually(host.is_up, SECONDS, lambda: container.logs().decode())
        host.run("mount --make-rshared /")  # as on any host; credentials need it
        for command in documented():
            host.run(command)
        yield host
    finally:
        container.remove(force=True, v=True)


def test_it_is_ready_after_the_documented_commands(host):
    host.await_ready()
    assert host.run("systemctl is-active tessel-proxy") == "active"
    assert host.access(KEY) == "root:tessel-tls 640"
    assert host.access("/etc/tessel-proxy/tls/authority-key.pem") == "root:root 600"


@pytest.mark.parametrize("renewal", RENEWALS)
def test_after_a_renewal_owners_and_modes_are_unchanged_and_a_restart_works(host, renewal):
    host.await_ready()
    contents, accesses = host.run(f"sha256sum {KEY}"), (host.access(KEY), host.access(CHAIN))
    host.run(RENEWALS[renewal])
    assert host.run(f"sha256sum {KEY}") != contents
    assert (host.access(KEY), host.access(CHAIN)) == accesses
    host.run("systemctl reload tessel-proxy")
    eventually(lambda: "reloaded the certificate" in host.journal(), SECONDS, host.journal)
    host.run("systemctl restart tessel-proxy")
    host.await_ready()
    assert "reload_failed" not in host.journal()
    assert "TP3001" not in host.journal()


def test_it_stops_with_0(host):
    host.await_ready()
    host.run("systemctl stop tessel-proxy")
    assert host.run("systemctl show --property=ExecMainStatus tessel-proxy") == "ExecMainStatus=0"
