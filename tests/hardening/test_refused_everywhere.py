"""A refusal ends tunnels within 1 s, on all workers and hosts, and outlives the processes."""

import os
import signal
import stat
import time

import pytest

from lab.waiting import eventually
from support.hardening.device import Device, hello
from support.hardening.fleet import members
from support.hardening.operating import tell
from tessel_proxy.fleet.notices import RuleAdded, RuleRemoved, TunnelsEnded
from tessel_proxy.operations import Rule

TOKEN = "DEV-CRED"
ACCOUNT = "hardcoded"
FEATURES = ["retry/1", "reason/1", "message/1", "device/1"]


def rule(for_s=None, **subject):
    now = time.time()
    until_at = None if for_s is None else now + for_s
    return Rule.made(reason="too much traffic", by="test", now=now, until_at=until_at, **subject)


def greeted(device, name="kitchen"):
    device.send(hello(TOKEN, features=FEATURES, device=name))
    return device.said()[1]["object"]


def told(device):
    """Return what the device is told next, which ends its tunnel."""
    said = device.said()[1]["object"]
    device.wait_until_gone(within=1.0)
    return said


def on_all_workers(proxy, device_of, workers):
    """Connect until each worker has a tunnel; return the devices."""
    devices = []
    while True:
        devices.append(device_of(proxy))
        assert greeted(devices[-1], f"{proxy.port}-{len(devices)}")["authed"] is True
        lines = eventually(lambda: lines_of(proxy, len(devices)))
        if {line.get("worker") for line in lines} >= workers:
            return devices


def lines_of(proxy, count):
    found = proxy.log.events("tunnel_authenticated")
    return found if len(found) == count else None


def refused(device_of, proxy):
    """Return the answer to a device that is refused."""
    return greeted(device_of(proxy))


@pytest.fixture(params=[1, 2])
def workers(request):
    return request.param


@pytest.fixture
def file(tmp_path):
    return tmp_path / "refusals.json"


@pytest.fixture
def one_host(proxy_with, tmp_path, workers, file):
    """A proxy without FLEET_URL, and the path of its control socket."""
    control = tmp_path / "control"

    def start():
        proxy = proxy_with(WORKERS=workers, CONTROL_SOCKET=control, REFUSALS_FILE=file)
        if workers > 1:
            eventually(lambda: len(proxy.log.events("worker_serves")) == workers, 30)
        return proxy

    return start, control


def test_a_refusal_ends_the_tunnels_of_all_workers_and_is_there_after_a_restart(
    one_host, device_of, workers, file
):
    start, control = one_host
    proxy = start()
    devices = on_all_workers(proxy, device_of, {1, 2} if workers > 1 else {None})
    began = time.monotonic()
    done = tell(control, RuleAdded(rule(account=ACCOUNT)))
    for each in devices:
        assert told(each)["message"] == "too much traffic"
    assert time.monotonic() - began < 1.0
    assert (len(done.confirmed), done.missing) == (workers, ())
    assert refused(device_of, proxy)["reason"] == "refused"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    proxy.terminate()
    eventually(lambda: not proxy.alive, 30)
    proxy.start()
    again = proxy
    assert refused(device_of, again)["message"] == "too much traffic"


def test_a_refusal_survives_kill_9_of_the_proxy(proxy_with, tmp_path, file, device_of):
    control = tmp_path / "control"
    proxy = proxy_with(CONTROL_SOCKET=control, REFUSALS_FILE=file)
    added = rule(account=ACCOUNT, device="kitchen", for_s=3600)
    tell(control, RuleAdded(added))
    proxy.kill()
    proxy.start()
    answer = refused(device_of, proxy)
    assert (answer["reason"], answer["retry"]) == ("refused", True)
    assert 3_500_000 < answer["retry_after_ms"] <= 3_600_000
    tell(control, RuleRemoved(added.id))
    assert refused(device_of, proxy)["authed"] is True


def test_a_worker_that_is_replaced_has_the_rules(proxy_with, tmp_path, device_of):
    control = tmp_path / "control"
    proxy = proxy_with(WORKERS=2, CONTROL_SOCKET=control)
    serving = eventually(lambda: workers_serving(proxy, 2), 30)
    tell(control, RuleAdded(rule(account=ACCOUNT)))
    os.kill(serving[0]["pid"], signal.SIGKILL)
    proxy.expected_faults = ["worker_died"]
    eventually(lambda: workers_serving(proxy, 3), 30)
    for _ in range(10):
        assert refused(device_of, proxy)["reason"] == "refused"


def workers_serving(proxy, count):
    found = proxy.log.events("worker_serves")
    return found if len(found) == count else None


def test_a_refused_address_is_closed_before_tls_and_counted(proxy_with, tmp_path, context):
    control = tmp_path / "control"
    proxy = proxy_with(CONTROL_SOCKET=control, ADMIN_PORT=0)
    tell(control, RuleAdded(rule(address="127.0.0.0/8")))
    for _ in range(3):
        with pytest.raises(OSError, match=r".*"), Device(proxy.port, context):
            pass
    assert proxy.metric('refusals_total{reason="refused_by_operator"}') == 3
    assert proxy.metric('handshakes_done_total{kind="full"}') == 0


def test_a_damaged_file_stops_the_start_and_says_what_to_do(proxy_with, file):
    file.write_text("{")
    with pytest.raises(AssertionError, match=r"REFUSALS_FILE=.* cannot be used: it is not JSON"):
        proxy_with(REFUSALS_FILE=file)


def test_a_refusal_reaches_another_host_within_a_second_and_one_that_starts_later(
    host_with, server, device_of, tmp_path
):
    controls = [tmp_path / f"control-{number}" for number in range(3)]
    hosts = [host_with(WORKERS=2, CONTROL_SOCKET=each) for each in controls[:2]]
    eventually(lambda: members(server) == 4)
    devices = [each for host in hosts for each in on_all_workers(host, device_of, {1, 2})]
    added = rule(account=ACCOUNT, for_s=3600)
    began = time.monotonic()
    done = tell(controls[0], RuleAdded(added))
    for each in devices:
        assert told(each)["message"] == "too much traffic"
    assert time.monotonic() - began < 1.0
    assert (len(done.confirmed), done.missing) == (4, ())
    later = host_with(CONTROL_SOCKET=controls[2])
    eventually(lambda: refused(device_of, later).get("reason") == "refused")
    tell(controls[2], RuleRemoved(added.id))
    assert refused(device_of, hosts[1])["authed"] is True


def test_an_engine_that_lost_its_data_gets_the_refusals_back(
    host_with, server, device_of, tmp_path
):
    controls = [tmp_path / f"control-{number}" for number in range(2)]
    host = host_with(CONTROL_SOCKET=controls[0])
    eventually(lambda: members(server) == 1)
    tell(controls[0], RuleAdded(rule(account=ACCOUNT)))
    server.kill()
    server.start()
    host.expected_faults = ["engine_away"]
    eventually(lambda: server.ask("sesame", "HLEN", "tessel:rules") == b":1\r\n", 30)
    assert refused(device_of, host)["reason"] == "refused"


def test_a_tunnel_that_is_ended_hears_the_reason_and_may_come_back(proxy_with, tmp_path, device_of):
    control = tmp_path / "control"
    proxy = proxy_with(CONTROL_SOCKET=control)
    device = device_of(proxy)
    assert greeted(device)["authed"] is True
    tell(control, TunnelsEnded(ACCOUNT, "kitchen", "maintenance"))
    said = told(device)
    assert (said["reason"], said["retry"], said["message"]) == ("ended", True, "maintenance")
    assert greeted(device_of(proxy))["authed"] is True
