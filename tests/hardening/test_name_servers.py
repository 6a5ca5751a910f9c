"""Name servers that fail in every way, with the system's own resolver.

The tests are in look_ups_inside.py; they run in a network namespace with its own resolv.conf.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSIDE = HERE / "look_ups_inside.py"
SECONDS = 110
APART = ["unshare", "--mount", "--net"]
SET_UP = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def test_look_ups_in_a_network_with_failing_name_servers(tmp_path):
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this process may not make a network of its own")
    settings = tmp_path / "resolv.conf"
    settings.write_text("nameserver 127.0.0.1\n")  # with the system's own times
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(INSIDE)]
    done = subprocess.run(
        [*APART, "sh", "-c", SET_UP, "sh", settings, *run],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
