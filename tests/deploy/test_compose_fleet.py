"""deploy/compose.fleet.yml on Docker: devices are served while a proxy and the engine are lost."""

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import trustme

from lab.waiting import eventually
from support.boards_under_load import Load
from support.container_engine import ENGINE, needs_engine
from support.hardening.device import Device, trusting

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROJECT = "tessel-fleet-test"
IMAGES = ("valkey", "haproxy", "prometheus")
BUILD_SECONDS = 600  # with packages to be downloaded
SECONDS = 30
IN_IMAGE = 10001
TOKEN = "0123456789abcdef"
DEVICES = 12
BACK_SECONDS = 15.0  # until devices are served again, and counts are right: peers lapse after 15 s
PROXIES = ("proxy1", "proxy2")
TUNNELS = 'tunnels{state="authenticated"}'
ACCEPTED = 'tunnels_accepted_total{listener="main"}'
ECHO = ("172.31.57.3", 7000)  # outside of the range of addresses in the file
ECHO_PROGRAM = """
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while got := self.request.recv(65536):
            self.request.sendall(got)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
Server(("0.0.0.0", 7000), Echo).serve_forever()
"""
READ_METRICS = """
from urllib.request import urlopen
print(urlopen("http://127.0.0.1:9105/metrics", timeout=5).read().decode())
"""
# Images that need no registry, ports that are free, health that is asked for often, a target.
OVERRIDE = """
x-proxy: &proxy
  image: {project}-proxy
  environment: {{EGRESS_ALLOW: "{echo}:7000"}}
  volumes: !override ["{folder}:/srv/config:ro"]
  healthcheck: {{interval: 1s, timeout: 2s, retries: 2}}
services:
  proxy1: *proxy
  proxy2: *proxy
  valkey: {{image: {project}-valkey}}
  haproxy:
    image: {project}-haproxy
    ports: !override ["127.0.0.1::5005"]
  prometheus:
    image: {project}-prometheus
    ports: !override ["127.0.0.1::9090"]
  target:
    image: {project}-proxy
    entrypoint: [python, -c, {program}]
    init: true
    networks: {{devices: {{ipv4_address: {echo}}}}}
"""


pytestmark = [
    needs_engine,
    pytest.mark.skipif(os.getuid() != 0, reason="files for the image's user take root"),
    pytest.mark.timeout(BUILD_SECONDS + SECONDS),
]


def run(*command):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Fleet:
    """The project of the compose file with the test's override."""

    def __init__(self, override):
        files = ("--file", ROOT / "deploy" / "compose.fleet.yml", "--file", override)
        self._command = ("docker", "compose", "--project-name", PROJECT, *files)

    def compose(self, *args):
        return run(*self._command, *args)

    def container(self, service):
        (found,) = ENGINE.containers.list(
            all=True,
            filters={
                "label": [
                    f"com.docker.compose.project={PROJECT}",
                    f"com.docker.compose.service={service}",
                ]
            },
        )
        return found

    def port(self, service, inside):
        return int(self.compose("port", service, str(inside)).rpartition(":")[2])

    def metric(self, proxy, sample):
        """Return the value of a sample of one proxy's metrics, read inside of its container."""
        text = self.container(proxy).exec_run(["python", "-c", READ_METRICS]).output.decode()
        (value,) = re.findall(rf"^{re.escape('tessel_proxy_' + sample)} (.+)$", text, re.MULTILINE)
        return float(value)

    def tunnels(self):
        """Return the number of open tunnels of both proxies; it is a second old."""
        return sum(self.metric(proxy, TUNNELS) for proxy in PROXIES)

    def proxies_up(self):
        """Return the number of proxies that Prometheus reaches."""
        url = f"http://127.0.0.1:{self.port('prometheus', 9090)}/api/v1/query"
        query = urlencode({"query": 'sum(up{job="tessel-proxy"})'})
        try:
            with urlopen(f"{url}?{query}", timeout=5) as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            return None  # it has not begun to listen
        return float(result[0]["value"][1]) if result else None

    def counted_tunnels(self):
        """Return the number of the account's tunnels that the engine knows of."""
        done = self.container("valkey").exec_run(
            ["valkey-cli", "hget", "tessel:account:hardcoded", "t"]
        )
        return int(done.output.decode().strip() or 0) if done.exit_code == 0 else None

    def wait_healthy(self, *services):
        def healthy():
            found = [self.container(each) for each in services]
            return all(each.attrs["State"]["Health"]["Status"] == "healthy" for each in found)

        eventually(healthy, SECONDS, lambda: self.compose("logs", "--tail", "20", *services))

    def wait_until_both_get_devices(self, context):
        """Connect until each proxy has had a device: HAProxy checks them twice before."""
        port = self.port("haproxy", 5005)

        def both_got_one():
            try:
                with Device(port, context) as device:
                    device.authenticate(TOKEN)
            except OSError:
                return False  # no proxy has been checked yet
            return all(self.metric(proxy, ACCEPTED) for proxy in PROXIES)

        eventually(both_got_one, SECONDS, lambda: self.compose("logs", "haproxy"))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(authority, tmp_path_factory):
    """A folder like deploy/secrets on a host."""
    made = tmp_path_factory.mktemp("fleet") / "secrets"
    made.mkdir(mode=0o700)
    issued = authority.issue_cert("localhost")
    (made / "token").write_text(f"{TOKEN}\n")
    (made / "private-key.pem").write_bytes(issued.private_key_pem.bytes())
    (made / "public-cert.pem").write_bytes(issued.cert_chain_pems[0].bytes())
    for each in (made, *made.iterdir()):
        os.chown(each, IN_IMAGE, IN_IMAGE)
        each.chmod(0o700 if each.is_dir() else 0o600)
    return made


@pytest.fixture(scope="module")
def fleet(folder, authority, tmp_path_factory):
    override = tmp_path_factory.mktemp("compose") / "override.yml"
    program = json.dumps(ECHO_PROGRAM)
    override.write_text(
        OVERRIDE.format(project=PROJECT, echo=ECHO[0], folder=folder, program=program)
    )
    for image in IMAGES:
        stand_ins = HERE / "fleet"
        run("docker", "build", "--target", image, "--tag", f"{PROJECT}-{image}", stand_ins)
    fleet = Fleet(override)
    try:
        fleet.compose("up", "--detach", "--build")
        fleet.wait_healthy(*PROXIES)
        fleet.wait_until_both_get_devices(trusting(authority))
        yield fleet
    finally:
        fleet.compose("down", "--volumes", "--timeout", "1")


@pytest.fixture
def load(fleet, authority):
    eventually(lambda: fleet.tunnels() == 0, BACK_SECONDS, fleet.tunnels)  # those of the last load
    load = Load(DEVICES, fleet.port("haproxy", 5005), trusting(authority), TOKEN, ECHO)
    try:
        load.wait_until_all_are_served(BACK_SECONDS)
        eventually(lambda: fleet.tunnels() == DEVICES, BACK_SECONDS, fleet.tunnels)
        yield load
    finally:
        load.stop()


def test_devices_are_served_by_both_proxies_and_counted_once(fleet, load):
    tunnels = [fleet.metric(proxy, TUNNELS) for proxy in PROXIES]
    assert all(tunnels)
    eventually(lambda: fleet.counted_tunnels() == DEVICES, BACK_SECONDS, fleet.counted_tunnels)
    assert load.losers == 0


def test_a_proxy_that_is_killed_costs_its_own_tunnels_and_no_others(fleet, load, authority):
    its_own = fleet.metric("proxy1", TUNNELS)
    fleet.container("proxy1").kill()
    eventually(
        lambda: fleet.metric("proxy2", TUNNELS) == DEVICES, BACK_SECONDS, lambda: load.losers
    )
    load.wait_until_all_are_served(BACK_SECONDS)
    assert load.losers == its_own
    eventually(lambda: fleet.counted_tunnels() == DEVICES, 2 * BACK_SECONDS, fleet.counted_tunnels)
    fleet.compose("up", "--detach", "--no-build", "proxy1")
    fleet.wait_healthy("proxy1")
    fleet.wait_until_both_get_devices(trusting(authority))


def test_a_restarted_engine_costs_no_tunnel_and_counts_again(fleet, load):
    fleet.container("valkey").restart(timeout=1)
    load.wait_until_all_are_served(BACK_SECONDS)
    eventually(lambda: fleet.counted_tunnels() == DEVICES, BACK_SECONDS, fleet.counted_tunnels)
    for proxy in PROXIES:
        eventually(lambda p=proxy: fleet.metric(p, "engine_degraded") == 0, BACK_SECONDS)
    assert load.losers == 0


def test_prometheus_reaches_both_proxies(fleet):
    eventually(lambda: fleet.proxies_up() == 2, SECONDS, fleet.proxies_up)
