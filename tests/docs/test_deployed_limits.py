"""What deploy/ lets the proxy have is enough for what the proxy may come to need."""

import re
from pathlib import Path

import pytest

from tessel_proxy.targets.lookup import LOOKUP_THREADS

DEPLOY = Path(__file__).parents[2] / "deploy"
BESIDES = 64
"""Threads and processes that are not for look-ups, several times over: the reactor and its ten
threads for files and hashes, the container's init, a health check that hangs and the next one."""


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("compose.yml", r"^    pids_limit: (\d+)"),
        ("systemd/tessel-proxy.service", r"^TasksMax=(\d+)$"),
    ],
)
def test_there_is_room_for_the_threads_of_look_ups_and_more(file, setting):
    (limit,) = re.findall(setting, (DEPLOY / file).read_text(), re.MULTILINE)
    assert int(limit) >= LOOKUP_THREADS + BESIDES
