"""The systemd user unit and the compose file of the gateway."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tessel.gateway.limits import STOP_TIMEOUT_S
from tessel.gateway.settings import GATEWAY_SETTINGS, GatewaySettings
from tessel.settings import SETTINGS

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "tessel-gateway.service"
COMPOSE = ROOT / "deploy" / "compose.gateway.yml"
COMMAND = "%h/.local/share/tessel/bin/tessel"
SECONDS = 60


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_the_unit_passes_verify(tmp_path):
    copy = tmp_path / UNIT.name
    ours = str(Path(sys.executable).with_name("tessel"))
    copy.write_text(UNIT.read_text().replace(COMMAND, ours))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", copy],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_waits_for_longer_than_the_stop():
    (seconds,) = re.findall(r"TimeoutStopSec=(\d+)", UNIT.read_text())
    assert int(seconds) > STOP_TIMEOUT_S


def gateway():
    return yaml.safe_load(COMPOSE.read_text())["services"]["gateway"]


def test_the_containers_settings_are_settings_and_need_a_password():
    environment = gateway()["environment"]
    known = {name for setting in (*GATEWAY_SETTINGS, *SETTINGS) for name in setting.names}
    assert set(environment) - known == {"LOCALDOMAIN"}
    listen = {"GATEWAY_LISTEN": environment["GATEWAY_LISTEN"]}
    read, faults = GatewaySettings.read(listen)
    assert faults == []
    assert not read.listen.is_loopback
    assert "GATEWAY_PASSWORD_FILE" in environment
    assert int(gateway()["stop_grace_period"].removesuffix("s")) > STOP_TIMEOUT_S


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker compose is not installed")
def test_the_program_has_no_way_out_but_the_gateway():
    done = subprocess.run(
        [
            *("docker", "compose", "--file", COMPOSE, "--profile", "example"),
            *("config", "--format=json"),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
        env={"GATEWAY_PASSWORD": "secret", "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    found = json.loads(done.stdout)
    assert set(found["services"]["program"]["networks"]) == {"inside"}
    assert found["networks"]["inside"]["internal"] is True
    assert found["services"]["program"]["environment"]["https_proxy"] == (
        "http://tessel:secret@gateway:1080"
    )
