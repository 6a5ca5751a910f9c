"""`make` announces its work before it begins."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


OF_THE_OUTER_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "TEST_PROCESSES"}


def commands(target):
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in OF_THE_OUTER_MAKE},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_tests_say_how_long_they_take_and_run_in_parallel():
    lines = commands("test")
    said = next(index for index, line in enumerate(lines) if re.search(r"take about \d min", line))
    run = next(index for index, line in enumerate(lines) if "pytest" in line)
    assert said < run
    assert "--numprocesses=auto" in lines[run]


def test_the_tests_keep_their_gates():
    gates = [line for line in commands("test") if "--fail-under" in line]
    assert any("streamplex/src/*" in line and "--fail-under=100" in line for line in gates)
    assert any("--fail-under=90" in line for line in gates)


def test_readme_says_the_same_time():
    (minutes,) = set(re.findall(r"(\d) minutes on two idle cores", "\n".join(commands("test"))))
    assert f"make test    # the tests: {minutes} minutes" in (ROOT / "README.md").read_text()
