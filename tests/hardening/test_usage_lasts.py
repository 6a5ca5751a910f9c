"""Usage per account and day outlives the processes that counted it."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from lab.waiting import eventually
from support.hardening.device import connecting, data
from support.hardening.fleet import members

TOKEN = "DEV-CRED"
NBYTES = 100_000
READ = "SELECT sum(bytes_from_device), sum(bytes_from_target), sum(opens), sum(tunnels) FROM usage"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "usage.sqlite"


def used(file):
    """Return bytes from device and target, openings, and tunnels, as the file has them."""
    if not file.exists():
        return None
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        try:
            return database.execute(READ).fetchone()
        except sqlite3.OperationalError:  # its table is not there yet
            return None


def echo(device, site, channel=2):
    """Move NBYTES to the echo service and back; the substream stays open."""
    device.send(connecting(channel, site["echo"]))
    for start in range(0, NBYTES, 10_000):
        device.send(data(channel, bytes(min(10_000, NBYTES - start))))
    device.read_bytes(channel, NBYTES)


ONCE = (NBYTES, NBYTES, 1, 1)


def test_usage_is_written_while_a_transfer_is_open_and_survives_kill_9(
    proxy_with, device_of, site, file
):
    proxy = proxy_with(USAGE_FILE=file)
    echo(device_of(proxy, TOKEN), site)
    eventually(lambda: used(file) == ONCE, 10.0, lambda: used(file))
    proxy.kill()
    assert used(file) == ONCE
    proxy.start()
    echo(device_of(proxy, TOKEN), site)
    eventually(lambda: used(file) == (2 * NBYTES, 2 * NBYTES, 2, 2), 10.0, lambda: used(file))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_last_usage_is_written_at_the_stop(proxy_with, device_of, site, file, workers):
    proxy = proxy_with(WORKERS=workers, USAGE_FILE=file, DRAIN_S=0)
    if workers > 1:
        eventually(lambda: len(proxy.log.events("worker_serves")) == workers, 30)
    for _ in range(4):
        echo(device_of(proxy, TOKEN), site)
    proxy.terminate()
    eventually(lambda: not proxy.alive, 30)
    assert used(file) == (4 * NBYTES, 4 * NBYTES, 4, 4)


def test_what_a_worker_has_reported_survives_its_kill_9(proxy_with, device_of, site, file):
    proxy = proxy_with(WORKERS=2, USAGE_FILE=file)
    eventually(lambda: len(proxy.log.events("worker_serves")) == 2, 30)
    echo(device_of(proxy, TOKEN), site)
    eventually(lambda: used(file) == ONCE, 15.0, lambda: used(file))
    for line in proxy.log.events("worker_serves"):
        os.kill(line["pid"], signal.SIGKILL)
    proxy.expected_faults = ["worker_died"] * 2
    eventually(lambda: len(proxy.log.events("worker_serves")) == 4, 30)
    echo(device_of(proxy, TOKEN), site)
    eventually(lambda: used(file) == (2 * NBYTES, 2 * NBYTES, 2, 2), 15.0, lambda: used(file))


def test_a_damaged_file_costs_no_tunnel_and_a_new_one_gets_what_waited(
    proxy_with, device_of, site, file
):
    file.write_bytes(b"no database" * 1000)
    proxy = proxy_with(USAGE_FILE=file, ADMIN_PORT=0)
    echo(device_of(proxy, TOKEN), site)
    (line,) = eventually(lambda: proxy.log.events("usage_not_written"), 10.0)
    assert line["error"] == "TP3041"
    proxy.expected_faults = ["usage_not_written"]
    assert proxy.metric("usage_failures_total") >= 1
    file.unlink()
    eventually(lambda: used(file) == ONCE, 10.0, lambda: used(file))


def test_hosts_of_a_fleet_add_to_the_same_day_in_the_engine(host_with, server, device_of, site):
    hosts = host_with(WORKERS=2), host_with()
    eventually(lambda: members(server) == 3)
    for host in hosts:
        echo(device_of(host, TOKEN), site)
    wanted = f"{2 * NBYTES} {2 * NBYTES} 2 2 0".encode()
    eventually(lambda: wanted in in_engine(server), 15.0, lambda: in_engine(server))


def in_engine(server):
    (day,) = server.ask("sesame", "KEYS", "tessel:usage:2*").splitlines()[2::2] or [b""]
    return server.ask("sesame", "HGET", day.decode(), "hardcoded")
