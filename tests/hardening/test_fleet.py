"""Two hosts with one engine: limits hold over both, and nothing ends when the engine does."""

import os
import signal
import time
import urllib.request

import pytest

from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import connecting, data, hello, moved_until_refused
from support.hardening.fleet import fleet, members, tell
from support.hardening.proxy import TOKEN, running_proxy
from tessel_proxy.fleet.valkey.publishing import ALL_LIVE_S

ECHOED = b"a few bytes" * 100
NAMED = {"features": ["device/1"], "device": "a board"}


def accepted(proxy, device_of):
    """Return a device whose tunnel was accepted, or None."""
    device = device_of(proxy)
    try:
        return device if device.authenticate(TOKEN) == {"authed": True} else None
    except (GoneError, OSError):
        return None


def accepted_of(count, proxy, device_of):
    return [device for _ in range(count) if (device := accepted(proxy, device_of))]


def echoes(device, site, channel):
    device.send(connecting(channel, site["echo"]), data(channel, ECHOED))
    return device.read_bytes(channel, len(ECHOED)) == ECHOED


def is_ready(proxy):
    (admin,) = proxy.log.events("admin_listening")
    with urllib.request.urlopen(f"http://127.0.0.1:{admin['port']}/readyz", timeout=5) as answer:
        return answer.status == 200


def test_the_tunnels_of_an_account_are_limited_over_hosts_and_their_workers(
    host_with, server, device_of
):
    hosts = host_with(MAX_TUNNELS_PER_ACCOUNT=6), host_with(MAX_TUNNELS_PER_ACCOUNT=6, WORKERS=2)
    eventually(lambda: members(server) == 3)
    devices = [each for proxy in hosts * 2 for each in accepted_of(3, proxy, device_of)]
    assert len(devices) == 6
    devices[0].socket.close()
    eventually(lambda: accepted(hosts[1], device_of))


def test_a_device_that_moves_to_another_host_is_noticed_within_a_second(
    host_with, server, device_of
):
    first, second = host_with(), host_with(WORKERS=2)
    eventually(lambda: members(server) == 3)
    older, newer = device_of(first), device_of(second)
    for each in (older, newer):
        each.send(hello(TOKEN, **NAMED))
        assert each.said()[1]["object"]["authed"] is True
    older.wait_until_gone(within=1.0)
    eventually(lambda: first.metric('tunnels_closed_total{outcome="replaced"}') == 1)
    eventually(lambda: second.metric('tunnels{state="authenticated"}') == 1)


def delayed_by(seconds):
    def delay(relay):
        relay.delay_s = seconds

    return delay


FAILURES = {
    "killed": (lambda relay: relay.server.kill(), lambda relay: relay.server.start()),
    "hung": (lambda relay: relay.server.hang(), lambda relay: relay.server.go_on()),
    "slow by 2 s": (delayed_by(2.0), delayed_by(0.0)),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_nothing_ends_and_limit_by_hosts_is_allowed_without_the_engine(
    host_with, relay, device_of, site, failure
):
    begin, end = FAILURES[failure]
    server = relay.server
    hosts = host_with(MAX_TUNNELS_PER_ACCOUNT=8), host_with(MAX_TUNNELS_PER_ACCOUNT=8)
    eventually(lambda: members(server) == 2)
    for proxy in hosts:  # they have seen each other
        eventually(lambda proxy=proxy: proxy.metric("engine_failures_total") == 0)
    devices = [accepted(proxy, device_of) for proxy in hosts]
    eventually(lambda: b"tessel:account:" in server.ask("sesame", "KEYS", "*"))
    begin(relay)
    assert all(echoes(each, site, 2) for each in devices)
    for proxy in hosts:
        assert len(accepted_of(3, proxy, device_of)) == 3  # 8 / 2, with the one that is open
        eventually(lambda proxy=proxy: proxy.metric("engine_degraded") == 1)
        assert is_ready(proxy)
    end(relay)
    for proxy in hosts:
        eventually(lambda proxy=proxy: proxy.metric("engine_degraded") == 0, 20)
        (line,) = proxy.log.events("engine_away")
        assert line["error"] == "TP3034"
        proxy.expected_faults = ["engine_away"]
    assert all(echoes(each, site, 4) for each in devices)
    eventually(lambda: members(server) == 2, 15)
    assert accepted(hosts[0], device_of) is None  # 8 are open


def test_an_emptied_engine_learns_all_tunnels_within_15_s(host_with, server, device_of, site):
    hosts = host_with(MAX_TUNNELS_PER_ACCOUNT=4), host_with(MAX_TUNNELS_PER_ACCOUNT=4, WORKERS=2)
    eventually(lambda: members(server) == 3)
    devices = [each for proxy in hosts for each in accepted_of(2, proxy, device_of)]
    assert len(devices) == 4
    server.ask("sesame", "FLUSHALL")
    eventually(lambda: b"$1\r\n4" in server.ask("sesame", "HGET", account_key(server), "t"), 15)
    assert not [each for proxy in hosts for each in accepted_of(1, proxy, device_of)]
    assert all(echoes(each, site, 2) for each in devices)


def account_key(server):
    keys = server.ask("sesame", "KEYS", "tessel:account:*").split(b"\r\n")
    return next((each for each in keys if each.startswith(b"tessel:")), "none")


def test_a_host_that_stops_takes_its_counts_with_it(host_with, server, device_of):
    settings = {"MAX_TUNNELS_PER_ACCOUNT": 2, "DRAIN_S": 1}
    first, second = host_with(**settings), host_with(**settings)
    eventually(lambda: members(server) == 2)
    assert len(accepted_of(2, first, device_of)) == 2
    assert accepted(second, device_of) is None
    first.terminate()
    eventually(lambda: members(server) == 1, 20)
    assert accepted(second, device_of)


def test_a_killed_worker_takes_its_counts_with_it(host_with, server, device_of):
    proxy = host_with(WORKERS=2)
    devices = accepted_of(10, proxy, device_of)
    eventually(lambda: tunnels_in_engine(server) == len(devices))
    lines = eventually(lambda: workers_of_tunnels(proxy, len(devices)))
    (pid,) = [line["pid"] for line in proxy.log.events("worker_serves") if line["worker"] == 1]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: tunnels_in_engine(server) == lines.count(2), 5)
    eventually(lambda: proxy.log.events("worker_died"))
    proxy.expected_faults = ["worker_died"]


def workers_of_tunnels(proxy, count):
    found = [line["worker"] for line in proxy.log.events("tunnel_authenticated")]
    return found if len(found) == count else None


def tunnels_in_engine(server):
    found = server.ask("sesame", "HGET", account_key(server), "t").split(b"\r\n")[1:2]
    return int(found[0]) if found and found[0] else 0


def test_the_operator_ends_the_tunnels_of_an_account_on_all_hosts(host_with, server, device_of):
    hosts = host_with(), host_with(WORKERS=2)
    eventually(lambda: members(server) == 3)
    devices = [accepted(proxy, device_of) for proxy in hosts]
    done = tell(fleet(server), "end-tunnels", "hardcoded", "--table")
    assert (done.returncode, done.stdout) == (0, "3 of 3 have acted\n")
    for each in devices:
        each.wait_until_gone(within=1.0)
    assert tell(fleet(server), "check-tokens", "--table").stdout == "3 of 3 have acted\n"


def age_s(server):
    """Return the age of the engine's data."""
    epoch = server.ask("sesame", "HGET", "tessel:fleet", "epoch").split(b"\r\n")[1]
    return time.time() - float(epoch)


def test_a_host_that_was_away_is_named_and_acts_when_it_is_back(host_with, server, device_of):
    proxy = host_with()
    eventually(lambda: members(server) == 1)
    device = accepted(proxy, device_of)
    eventually(lambda: age_s(server) > ALL_LIVE_S)  # else the command waits for other members
    os.kill(proxy.process.id, signal.SIGSTOP)
    done = tell(fleet(server), "end-tunnels", "hardcoded", "--table")
    os.kill(proxy.process.id, signal.SIGCONT)
    assert done.returncode == 1
    assert done.stdout == "0 of 1 have acted\n"
    assert "not confirmed by " in done.stderr
    device.wait_until_gone(within=5.0)
    # a busy machine starts the command so late that the engine's answer is overdue
    proxy.expected_faults = [each["event"] for each in proxy.log.events("engine_away")]


def test_a_command_that_no_proxy_can_hear_says_so(server):
    done = tell(fleet(server, "wrong"), "end-tunnels", "hardcoded", "--table")
    assert done.returncode == 1
    assert "no proxy was notified (TP3034)" in done.stderr
    assert "WRONGPASS" in done.stderr


def test_the_bytes_of_a_day_survive_the_restart_of_a_host(host_with, server, device_of, site):
    first, second = (host_with(BYTES_PER_DAY=DAY_BYTES) for _ in range(2))
    eventually(lambda: members(server) == 2)
    moved = sum(moved_by_a_device(each, device_of, site) for each in (first, second))
    assert moved >= 0.9 * DAY_BYTES
    eventually(lambda: taken_of_day(server) == DAY_BYTES)  # also what was moved in advance
    first.kill()
    again = host_with(BYTES_PER_DAY=DAY_BYTES)
    eventually(lambda: members(server) == 3)  # the dead one has not lapsed
    assert moved_by_a_device(again, device_of, site) <= DAY_BYTES / 3
    assert taken_of_day(server) == DAY_BYTES


DAY_BYTES = 3_000_000


def moved_by_a_device(proxy, device_of, site):
    return moved_until_refused(device_of(proxy, TOKEN), site["echo"], 2 * DAY_BYTES)


def taken_of_day(server):
    """Return the bytes that the hosts have taken of the account's day, as the engine knows."""
    reply = server.ask("sesame", "HGET", "tessel:day:hardcoded", "sum")
    return int(reply.split(b"\r\n")[1])


def test_wrong_tokens_of_an_address_count_on_all_hosts(host_with, server, device_of):
    hosts = host_with(MAX_WRONG_TOKENS=6), host_with(MAX_WRONG_TOKENS=6, WORKERS=2)
    eventually(lambda: members(server) == 3)
    for number in range(20):
        with device_of(hosts[number % 2]) as device:
            device.send(hello(f"guess {number}"))
            device.said()
    eventually(lambda: refusals(hosts, "wrong_token") + refusals(hosts, "source_penalty") == 20)
    assert 6 <= refusals(hosts, "wrong_token") <= 8


def refusals(hosts, reason):
    return sum(proxy.metric(f'refusals_total{{reason="{reason}"}}') for proxy in hosts)


def test_a_faulty_fleet_url_is_a_fault_of_the_settings(authority, tmp_path):
    with (
        pytest.raises(AssertionError, match="FLEET_URL"),
        running_proxy(
            tmp_path, authority, {"AUTH_HARDCODED": TOKEN, "FLEET_URL": "valkey://a:b@c"}
        ),
    ):
        pass
