"""The compose files as `docker compose config` reads them, without Docker Engine."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tessel_proxy.startup.config import Config
from tessel_service_kit.serving import STOP_TIMEOUT_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FLEET_HAPROXY = DEPLOY / "fleet" / "haproxy.cfg"
SECONDS = 60

pytestmark = pytest.mark.skipif(
    shutil.which("docker") is None, reason="docker compose is not installed"
)


def services(file):
    done = subprocess.run(
        ["docker", "compose", "--file", file, "config", "--format=json"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return json.loads(done.stdout)["services"]


def compose_config(file):
    return services(file)["proxy"]


def test_up_shows_the_devices_output_alone():
    shown = services(ROOT / "docker-compose.yml")
    assert [name for name, each in shown.items() if each.get("attach", True)] == ["device"]


def test_a_stop_leaves_time_for_the_drain():
    proxy = compose_config(DEPLOY / "compose.yml")
    assert proxy["stop_grace_period"] == "45s"
    assert proxy["environment"]["DRAIN_S"] == "30"


def fleet():
    return services(DEPLOY / "compose.fleet.yml")


@pytest.mark.parametrize("proxy", ["proxy1", "proxy2"])
def test_a_stop_in_a_fleet_leaves_time_for_haproxy_and_the_drain(proxy):
    found = fleet()[proxy]
    config, faults = Config.read_only(
        {name: value for name, value in found["environment"].items() if "FILE" not in name},
        Config.table(),
    )
    assert faults == []
    assert found["stop_grace_period"] == "1m0s"
    assert config.drain_delay_s + config.drain_s + STOP_TIMEOUT_S < 60
    (interval_s,) = re.findall(r" inter (\d+)s fall 1 ", FLEET_HAPROXY.read_text())
    assert int(interval_s) < config.drain_delay_s


def test_proxies_of_a_fleet_believe_haproxy_and_nobody_else_about_addresses():
    found = fleet()
    address = found["haproxy"]["networks"]["devices"]["ipv4_address"]
    for proxy in ("proxy1", "proxy2"):
        assert found[proxy]["environment"]["PROXY_PROTOCOL_FROM"] == address


def test_only_the_proxies_of_a_fleet_reach_the_engine():
    in_network = {name for name, each in fleet().items() if "engine" in each["networks"]}
    assert in_network == {"proxy1", "proxy2", "valkey"}
    assert "ports" not in fleet()["valkey"]


def test_a_fleets_haproxy_and_prometheus_know_both_proxies():
    ports = fleet()["proxy1"]["environment"]
    for proxy in ("proxy1", "proxy2"):
        assert f"server {proxy} {proxy}:{ports['PORT']}" in FLEET_HAPROXY.read_text()
        assert f"{proxy}:{ports['ADMIN_PORT']}" in (DEPLOY / "fleet/prometheus.yml").read_text()


def test_an_operators_settings_override_all_but_those_that_the_file_depends_on(tmp_path):
    for name in ("compose.yml", "compose.env"):
        shutil.copy(DEPLOY / name, tmp_path)
    mine = {
        "AUTH_HARDCODED_FILE": "",
        "LOG_FORMAT": "text",
        "MEMORY_MAX_MIB": "800",
        "DRAIN_S": "5",
    }
    theirs = {"ADMIN_HOST": "0.0.0.0", "ADMIN_PORT": "9105", "PORT": "5005"}
    said = {**mine, **dict.fromkeys(theirs, "1")}
    lines = [f"{name}={value}\n" for name, value in said.items()]
    (tmp_path / "proxy.env").write_text("".join(lines))
    environment = compose_config(tmp_path / "compose.yml")["environment"]
    assert {name: environment[name] for name in said} == {**mine, **theirs}
