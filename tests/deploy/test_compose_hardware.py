"""compose.hardware.yml as `docker compose config` reads it, without a chip."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("--file", ROOT / "docker-compose.yml", "--file", ROOT / "compose.hardware.yml")
GROUPS = {"SPI_GID": "999", "GPIO_GID": "993"}
SECONDS = 60

pytestmark = pytest.mark.skipif(
    shutil.which("docker") is None, reason="docker compose is not installed"
)


def config(**environ):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["docker", "compose", *FILES, "config", "--format=json", "device"],
        env=kept | environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def device(**environ):
    done = config(**GROUPS, **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]["device"]


def test_the_device_gets_the_chips_devices_and_their_groups_and_no_network():
    found = device()

    paths = [one["source"] if isinstance(one, dict) else one for one in found["devices"]]
    assert [path.split(":")[0] for path in paths] == ["/dev/spidev0.0", "/dev/gpiochip0"]
    assert found["group_add"] == ["999", "993"]
    assert found["network_mode"] == "none"
    assert "depends_on" not in found
    assert not found.get("networks")


def test_it_checks_the_radio_by_default():
    found = device(WIFI_SSID="home")

    assert (found["entrypoint"], found["command"]) == (["tessel"], ["radio", "check"])
    assert found["environment"]["RADIO"] == "cc3000"
    assert found["environment"]["WIFI_SSID"] == "home"
    assert found["environment"]["CC3000_GPIO_IRQ"] == "/dev/gpiochip0:23"


def test_another_gpio_chip_is_passed_and_named_to_the_container():
    found = device(CC3000_GPIO_CHIP="/dev/gpiochip4")

    assert found["environment"]["CC3000_GPIO_CS"] == "/dev/gpiochip4:22"
    assert "/dev/gpiochip4" in str(found["devices"])


def test_unset_groups_are_an_error():
    done = config()

    assert done.returncode != 0
    assert "stat -c %g /dev/spidev0.0" in done.stderr
