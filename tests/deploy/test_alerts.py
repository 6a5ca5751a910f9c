"""The alert rules, checked by Prometheus' `promtool` with made-up series."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
ALERTS = re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yml").read_text())
SECONDS = 60

with_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)


def promtool(*args):
    return subprocess.run(
        ["promtool", *args], capture_output=True, text=True, timeout=SECONDS, check=False
    )


@with_promtool
def test_the_rules_are_valid():
    done = promtool("check", "rules", FOLDER / "alerts.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@with_promtool
def test_each_rule_fires_only_when_it_should():
    done = promtool("test", "rules", FOLDER / "alerts.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_is_tested():
    assert set(ALERTS) <= set(
        re.findall(r"TesselProxy\w+", (FOLDER / "alerts.test.yml").read_text())
    )


def test_each_rule_has_its_row_in_the_docs():
    page = (ROOT / "docs" / "operating.md").read_text()
    assert re.findall(r"^\| `(TesselProxy\w+)` \|", page, re.MULTILINE) == ALERTS
