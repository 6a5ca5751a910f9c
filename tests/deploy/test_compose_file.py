"""The compose files as `docker compose config` reads them, without Docker Engine."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
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
