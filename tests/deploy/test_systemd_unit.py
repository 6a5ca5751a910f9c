"""The systemd unit, checked by systemd and compared with docs/operating.md."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "tessel-proxy.service"
COMMAND = "/opt/tessel-proxy/bin/tessel-proxy"
SECONDS = 60

with_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*args):
    return subprocess.run(
        ["systemd-analyze", *args],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@with_systemd
def test_it_passes_verify(tmp_path):
    # with a command that is here: verify wants to see it
    copy = tmp_path / UNIT.name
    ours = str(Path(sys.executable).with_name("tessel-proxy"))
    copy.write_text(UNIT.read_text().replace(COMMAND, ours))
    done = analyze("verify", "--man=no", copy)
    assert (done.returncode, done.stderr) == (0, "")


@with_systemd
def test_its_score_is_no_worse_than_documented():
    done = analyze("security", "--offline=true", "--no-pager", UNIT)
    score = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    told = re.search(r"exposure level of \*\*([\d.]+)", (ROOT / "docs/operating.md").read_text())
    assert float(score[1]) <= float(told[1]), done.stdout


def test_it_waits_for_longer_than_the_drain():
    settings = dict(re.findall(r"(DRAIN_S|TimeoutStopSec)=(\d+)", UNIT.read_text()))
    assert int(settings["TimeoutStopSec"]) > int(settings["DRAIN_S"])
