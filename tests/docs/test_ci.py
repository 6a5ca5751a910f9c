""".ci/run with stand-ins for all that it runs: what it does, and what makes it fail."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
PASSED = "== all of it passed"
STAND_IN = """#!/bin/sh
case "{name} $*" in *"$FAILING"*) exit 3;; esac
echo "done: {name} $*"
"""

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "timeout", "nproc"))),
    reason="bash or coreutils are not installed",
)


@pytest.fixture
def run(tmp_path):
    """Run a copy of the script; what contains `failing` fails. Return exit code and output."""
    copy = tmp_path / "checkout" / ".ci" / "run"
    engine = tmp_path / "shared" / "tools" / "container-engine"
    programs = [tmp_path / "bin" / name for name in ("make", "apt-get", "docker", "cc")]
    for path in (copy, engine, *programs):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPT, copy)
    for path in (engine, *programs):
        path.write_text(STAND_IN.format(name=path.name))
        path.chmod(0o755)
    root = tmp_path / "bin" / "id"
    root.write_text("#!/bin/sh\necho 0\n")
    root.chmod(0o755)

    def run(failing):
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environ = {**os.environ, "PATH": path, "FAILING": failing, "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            ["bash", copy], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert not list(tmp_path.glob("tmp.*"))
        return done.returncode, done.stdout

    return run


def test_it_runs_the_tests_and_what_is_beside_them(run):
    code, output = run(failing="nothing")
    assert code == 0
    assert output.splitlines()[-1].startswith(PASSED)
    for each in ("make test", "make hardening", "container-engine up", "make page-test"):
        assert f"done: {each}\n" in output


@pytest.mark.parametrize(
    "failing", ["make test", "make hardening", "make page-test", "container-engine", "docker"]
)
def test_a_step_that_fails_fails_it_also_beside_others(run, failing):
    code, output = run(failing)
    assert code == 3
    assert PASSED not in output


@pytest.mark.parametrize("failing", ["--download-only", "--no-download chromium"])
def test_programs_that_cannot_be_had_do_not_fail_it(run, failing):
    code, output = run(failing)
    assert code == 0
    assert "not installed: chromium\n" in output
