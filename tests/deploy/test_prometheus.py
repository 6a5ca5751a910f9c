"""A real Prometheus scrapes a real proxy: each query of the dashboard and the alerts has data."""

import json
import math
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from lab.processes import Process
from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import Device, connecting, data, end, trusting
from support.hardening.proxy import TOKEN, running_proxy
from support.hardening.workers import kill, worker_pids
from support.valkey_server import ValkeyServer, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
WORKERS = 2
SECONDS = 30.0
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: tessel-proxy
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
SELECTOR = re.compile(r"\b(?:tessel_proxy_[a-z_]+|process_[a-z_]+|up)\b(?:\{[^}]*\})?")

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not installed (Debian: apt-get install prometheus)",
)


def of_dashboard():
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$instance", ".+").replace("$__rate_interval", "10s")


def of_alerts():
    """The series that the rules select: the rules themselves are empty while nothing is wrong."""
    expressions = re.findall(
        r"^        expr: (.+(?:\n {10}.+)*)",
        (DEPLOY / "prometheus" / "alerts.yml").read_text(),
        re.MULTILINE,
    )
    return sorted({found for each in expressions for found in SELECTOR.findall(each)})


class Traffic:
    """A thread with devices that come, use every kind of target, and leave."""

    def __init__(self, proxy, context):
        self._proxy, self._context = proxy, context
        self._site = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._answer, self._come)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._site.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        self._site.close()

    def _answer(self):
        while not self._stopping.is_set():
            try:
                target, _ = self._site.accept()
            except OSError:
                return  # the end of the test
            with target:
                target.recv(100)
                target.sendall(b"x")

    def _come(self):
        while not self._stopping.wait(0.05):
            with suppress(GoneError, OSError):  # a worker was killed
                self._visit()

    def _visit(self):
        with Device(self._proxy.port, self._context) as device:
            device.authenticate("wrong")
        with Device(self._proxy.port, self._context) as device:
            device.authenticate(TOKEN)
            self._use(device)

    def _use(self, device):
        port = self._site.getsockname()[1]
        for channel, host, kind in ((2, "127.0.0.1", "net"), (4, "localhost", "tls")):
            device.send(connecting(channel, port, host, kind), data(channel, b"x"))
            if kind == "net":
                device.send(end(channel))
            device.events(channel)


@pytest.fixture(scope="module")
def engine():
    server = ValkeyServer().start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def proxy_in_use(engine, tmp_path_factory):
    """A proxy of two workers with an engine, and devices that use it."""
    authority = trustme.CA()
    settings = {
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "AUTH_PENALTY_S": "0",
        "ADMIN_PORT": "0",
        "WORKERS": str(WORKERS),
        "FLEET_URL": f"valkey://127.0.0.1:{engine.port}",
    }
    folder = tmp_path_factory.mktemp("proxy")
    with running_proxy(folder, authority, settings) as proxy:
        eventually(lambda: len(proxy.log.events("worker_serves")) >= WORKERS, SECONDS)
        with Traffic(proxy, trusting(authority)):
            yield proxy


@pytest.fixture(scope="module")
def ask(proxy_in_use, tmp_path_factory):
    """A function that asks a Prometheus which scrapes the proxy."""
    folder = tmp_path_factory.mktemp("prometheus")
    (admin,) = proxy_in_use.log.events("admin_listening")
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=DEPLOY / "prometheus" / "alerts.yml", port=admin["port"]))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        *(f"--config.file={config}", f"--storage.tsdb.path={folder}"),
        f"--web.listen-address={address}",
    ]
    process = Process(command, {}, folder, "prometheus")

    def ask(path, **query):
        url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as it:
            return json.load(it)["data"]

    try:
        eventually(lambda: answers(ask, "up == 1"), SECONDS, lambda: process.stderr)
        yield ask
    finally:
        process.stop()


def answers(ask, expression):
    """The values that a query has now; none if Prometheus does not answer yet."""
    try:
        result = ask("query", query=expression)["result"]
    except OSError:
        return []
    return [each for each in result if not math.isnan(float(each["value"][1]))]


@pytest.mark.parametrize("expression", list(of_dashboard()))
def test_each_query_of_the_dashboard_has_data(expression, ask):
    eventually(lambda: answers(ask, expression), SECONDS, lambda: expression)


@pytest.mark.parametrize("selector", of_alerts())
def test_each_series_of_the_alerts_has_data(selector, ask):
    eventually(lambda: answers(ask, selector), SECONDS, lambda: selector)


def test_each_rule_can_be_evaluated_and_none_fires_for_a_proxy_that_is_well(ask):
    def rules():
        (group,) = ask("rules")["groups"]
        return all(each["health"] == "ok" for each in group["rules"]) and group["rules"]

    evaluated = eventually(rules, SECONDS, lambda: ask("rules"))
    firing = {each["name"] for each in evaluated if each["state"] == "firing"}
    assert firing == set()


def test_a_killed_worker_takes_nothing_from_counters_and_histograms(proxy_in_use, ask):
    name = "tessel_proxy_substream_seconds_count"
    eventually(lambda: float(answers(ask, name)[0]["value"][1]) > 0, SECONDS)
    kill(worker_pids(proxy_in_use)[0])
    died = "tessel_proxy_worker_restarts_total == 1"
    eventually(lambda: answers(ask, died), SECONDS, lambda: died)
    assert float(answers(ask, f"resets({name}[2m])")[0]["value"][1]) == 0
    proxy_in_use.expected_faults.append("worker_died")


def test_promtool_has_no_complaint_about_the_metrics_of_workers_and_engine(proxy_in_use):
    (admin,) = proxy_in_use.log.events("admin_listening")
    with urllib.request.urlopen(f"http://127.0.0.1:{admin['port']}/metrics", timeout=5) as it:
        text = it.read()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
