"""The limits that deploy/ sets are high enough for the proxy's own limits."""

import re
from pathlib import Path

import pytest

from tessel_proxy.startup.config import SETTINGS, Config
from tessel_proxy.targets.lookup import LOOKUP_THREADS
from tessel_service_kit.names import HELPER_THREADS
from tessel_service_kit.serving import STOP_TIMEOUT_S

DEPLOY = Path(__file__).parents[2] / "deploy"
DRAINS = ("DRAIN_DELAY_S", "DRAIN_S")
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
    assert int(limit) >= LOOKUP_THREADS + HELPER_THREADS + BESIDES


@pytest.mark.parametrize(
    ("settings", "file", "limit"),
    [
        ("compose.env", "compose.yml", r"PROXY_STOP_GRACE:-(\d+)s"),
        ("systemd/tessel-proxy.service", "systemd/tessel-proxy.service", r"TimeoutStopSec=(\d+)"),
    ],
)
def test_whoever_stops_the_proxy_waits_until_it_has_stopped_by_itself(settings, file, limit):
    set_there = dict(re.findall(r"\b([A-Z_]+)=(\S+)", (DEPLOY / settings).read_text()))
    parsers = {each.name: each.parse for each in SETTINGS}
    told = {name: parsers[name](set_there[name]) for name in DRAINS if name in set_there}
    stop_s = Config(**{name.lower(): value for name, value in told.items()}).stop_s
    (grace_s,) = re.findall(limit, (DEPLOY / file).read_text())
    assert int(grace_s) > stop_s + STOP_TIMEOUT_S


def test_the_documents_say_how_long_that_is():
    page = " ".join((DEPLOY.parent / "docs" / "operating.md").read_text().split())
    assert f"`DRAIN_DELAY_S` + `DRAIN_S` + {STOP_TIMEOUT_S:g}" in page
