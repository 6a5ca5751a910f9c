"""A token that was revoked in AUTH_FILE ends its tunnels within 1 s, on all workers and hosts."""

import subprocess
import time

import pytest

from lab.waiting import eventually
from support.hardening.device import hello
from support.hardening.fleet import fleet, members, tell
from support.hardening.proxy import COMMAND

KIM, ALEX = "0123456789abcdef", "fedcba9876543210"
NAMED = {"features": ["device/1"], "device": "a board"}


def line_of(account, token, file):
    made = subprocess.run(
        [*COMMAND, "hash-token", "--stdin", account],
        input=token,
        env={"AUTH_FILE": str(file)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return made.stdout


@pytest.fixture
def accounts(tmp_path):
    """An AUTH_FILE with kim and alex."""
    file = tmp_path / "accounts"
    file.write_text("")
    file.chmod(0o600)
    for account, token in (("kim", KIM), ("alex", ALEX)):
        file.write_text(file.read_text() + line_of(account, token, file))
    return file


@pytest.fixture
def settings(accounts):
    """Those of proxies that notice a changed AUTH_FILE only if somebody tells them."""
    return {"AUTH_HARDCODED": None, "AUTH_FILE": accounts, "RELOAD_LOOK_S": 3600}


def revoke(account, file):
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(each for each in lines if not each.startswith(f"{account} ")))


def on_all_workers(proxy, device_of, token, workers):
    """Connect until each worker has a tunnel of the token; return the devices."""
    before = len(proxy.log.events("tunnel_authenticated"))
    devices = []
    while True:
        devices.append(device_of(proxy, token))
        count = before + len(devices)
        lines = eventually(lambda count=count: lines_of(proxy, count))
        if {line.get("worker") for line in lines[before:]} >= workers:
            return devices


def lines_of(proxy, count):
    found = proxy.log.events("tunnel_authenticated")
    return found if len(found) == count else None


def all_gone_within(seconds, devices):
    until = time.monotonic() + seconds
    for each in devices:
        each.wait_until_gone(within=max(0.01, until - time.monotonic()))


def still_there(device, token=KIM):
    return device.authenticate(token) == {"authed": True}  # answered again, as it is accepted


def test_check_tokens_ends_the_tunnels_of_a_revoked_token_on_all_hosts_within_a_second(
    host_with, server, device_of, accounts, settings
):
    hosts = host_with(WORKERS=2, **settings), host_with(WORKERS=2, **settings)
    eventually(lambda: members(server) == 4)
    of_kim = [on_all_workers(each, device_of, KIM, {1, 2}) for each in hosts]
    of_alex = [device_of(each, ALEX) for each in hosts]
    revoke("kim", accounts)
    done = tell(fleet(server), "check-tokens", "kim", "--table")
    all_gone_within(1.0, [device for devices in of_kim for device in devices])
    assert (done.returncode, done.stdout) == (0, "4 of 4 have acted\n")
    assert all(still_there(each) for each in of_alex)


def test_check_tokens_reaches_a_device_that_has_moved_to_another_host(
    host_with, server, device_of, accounts, settings
):
    hosts = host_with(WORKERS=2, **settings), host_with(WORKERS=2, **settings)
    eventually(lambda: members(server) == 4)
    older, newer = (device_of(each) for each in hosts)
    for each in (older, newer):
        each.send(hello(KIM, **NAMED))
        assert each.said()[1]["object"]["authed"] is True
    older.wait_until_gone(within=1.0)
    revoke("kim", accounts)
    assert tell(fleet(server), "check-tokens", "--table").returncode == 0
    newer.wait_until_gone(within=1.0)


def test_a_sighup_on_one_host_ends_the_tunnels_of_a_removed_line_on_all_hosts_within_a_second(
    host_with, server, device_of, accounts, settings
):
    hosts = host_with(WORKERS=2, **settings), host_with(**settings)
    eventually(lambda: members(server) == 3)
    of_kim = [*on_all_workers(hosts[0], device_of, KIM, {1, 2}), device_of(hosts[1], KIM)]
    of_alex = [device_of(each, ALEX) for each in hosts]
    revoke("kim", accounts)
    hosts[0].reload()
    all_gone_within(1.0, of_kim)
    assert all(still_there(each, ALEX) for each in of_alex)


@pytest.fixture(params=[1, 2])
def workers(request):
    return request.param


@pytest.fixture
def one_host(proxy_with, settings, tmp_path, workers):
    """A proxy without FLEET_URL, and the settings of commands that reach it."""
    control = tmp_path / "control"
    proxy = proxy_with(WORKERS=workers, CONTROL_SOCKET=control, **settings)
    if workers > 1:
        eventually(lambda: len(proxy.log.events("worker_serves")) == workers, 30)
    return proxy, {"CONTROL_SOCKET": str(control)}


def test_check_tokens_reaches_all_workers_of_one_host_over_its_control_socket(
    one_host, device_of, accounts, workers
):
    proxy, way = one_host
    devices = on_all_workers(proxy, device_of, KIM, {1, 2} if workers > 1 else {None})
    of_alex = device_of(proxy, ALEX)
    revoke("kim", accounts)
    done = tell(way, "check-tokens", "--table")
    all_gone_within(1.0, devices)
    assert (done.returncode, done.stdout) == (0, f"{workers} of {workers} have acted\n")
    assert still_there(of_alex)


def test_end_tunnels_ends_those_of_an_account_over_the_control_socket(one_host, device_of, workers):
    proxy, way = one_host
    devices = on_all_workers(proxy, device_of, KIM, {1, 2} if workers > 1 else {None})
    of_alex = device_of(proxy, ALEX)
    done = tell(way, "end-tunnels", "kim", "--table")
    all_gone_within(1.0, devices)
    assert (done.returncode, done.stdout) == (0, f"{workers} of {workers} have acted\n")
    assert still_there(of_alex)


def test_a_proxy_that_cannot_read_the_accounts_again_is_not_confirmed(
    one_host, device_of, accounts, workers
):
    proxy, way = one_host
    device = device_of(proxy, KIM)
    accounts.write_text("kim no hash\n")
    done = tell(way, "check-tokens", "--table")
    assert done.returncode == 1
    assert done.stdout == f"0 of {workers} have acted\n"
    assert "not confirmed by " in done.stderr
    assert still_there(device)  # the accounts that were read before stay in force
    proxy.expected_faults = ["reload_failed"] * workers


def test_a_command_that_knows_no_way_to_the_proxies_says_which_there_are():
    done = tell({}, "check-tokens", "--table")
    assert done.returncode == 2
    assert "CONTROL_SOCKET is not set" in done.stderr
