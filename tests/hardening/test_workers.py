"""Several workers on one port: they are killed, reloaded, stopped and replaced under load."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import connecting, data, hello, moved_until_refused
from support.hardening.proxy import COMMAND, TOKEN
from support.hardening.workers import (
    ECHOED,
    Comers,
    has_ended,
    kill,
    wait_for_workers,
    worker_pids,
)
from tessel_proxy.fleet.silence import HUNG_S

WORKERS = 2
BREAKS_NEW_WORKERS = """
import os, sys
if "worker" in sys.orig_argv and os.path.exists({flag!r}):
    os._exit(3)
"""


@pytest.fixture
def workers_with(proxy_with):
    """Start a proxy of two workers, and wait until both serve."""

    def start(**settings):
        proxy = proxy_with(WORKERS=WORKERS, ADMIN_PORT=0, **settings)
        wait_for_workers(proxy, WORKERS)
        return proxy

    return start


def echoes(device, site, channel=2):
    device.send(connecting(channel, site["echo"]), data(channel, ECHOED))
    return device.read_bytes(channel, len(ECHOED)) == ECHOED


def readyz(proxy):
    (admin,) = proxy.log.events("admin_listening")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin['port']}/readyz", timeout=5) as it:
            return it.status, it.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def upgrade(control):
    return subprocess.run(
        [*COMMAND, "upgrade"],
        env={"CONTROL_SOCKET": str(control), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_workers_share_the_port_and_number_their_log_lines(workers_with, device_of, site):
    proxy = workers_with()
    devices = [device_of(proxy, TOKEN) for _ in range(40)]
    assert all(echoes(each, site) for each in devices)
    lines = eventually(lambda: authenticated(proxy, len(devices)))
    assert {line["worker"] for line in lines} == {1, 2}
    eventually(lambda: proxy.metric('tunnels{state="authenticated"}') == 40)


def test_a_killed_worker_takes_only_its_own_tunnels_along_and_no_connection_is_refused(
    workers_with, device_of, context, site
):
    proxy = workers_with()
    devices = [device_of(proxy, TOKEN) for _ in range(20)]
    lines = eventually(lambda: authenticated(proxy, len(devices)))
    of_first = sum(line["worker"] == 1 for line in lines)
    first = next(line for line in proxy.log.events("worker_serves") if line["worker"] == 1)
    with Comers(proxy, context, site) as comers:
        kill(first["pid"])
        wait_for_workers(proxy, WORKERS + 1)
        served = comers.served
        eventually(lambda: comers.served > served + 20)
    assert comers.refused == []  # those that waited for the worker were served by the next one
    assert len(comers.cut) <= 2  # at most what each of the threads had open there
    survivors = [each for each in devices if still_echoes(each, site)]
    assert len(survivors) == len(devices) - of_first
    assert proxy.metric("worker_restarts_total") == 1
    proxy.expected_faults = ["worker_died"]


def authenticated(proxy, count):
    lines = proxy.log.events("tunnel_authenticated")
    return lines if len(lines) == count else None


def still_echoes(device, site):
    try:
        return echoes(device, site)
    except (GoneError, OSError):
        return False


def test_the_counters_of_a_killed_worker_are_kept(workers_with, device_of, site):
    proxy = workers_with()
    for _ in range(10):
        with device_of(proxy, TOKEN) as device:
            echoes(device, site)
    accepted = 'tunnels_accepted_total{listener="main"}'
    eventually(lambda: proxy.metric(accepted) == 10)
    for pid in worker_pids(proxy):
        kill(pid)
    wait_for_workers(proxy, 2 * WORKERS)
    assert proxy.metric(accepted) == 10
    proxy.expected_faults = ["worker_died"] * 2


def test_a_worker_that_dies_again_and_again_turns_readiness_red_and_says_why(workers_with):
    proxy = workers_with()
    descriptors = proxy.held.descriptors
    for deaths in range(1, 4):
        served = [line for line in proxy.log.events("worker_serves") if line["worker"] == 2]
        kill(served[-1]["pid"])
        wait_for_workers(proxy, WORKERS + deaths)
    status, text = readyz(proxy)
    assert (status, text) == (503, "worker 2 died 3 times soon after its start\n")
    assert proxy.metric("workers_in_crash_loop") == 1
    proxy.settles(descriptors)
    assert not any(has_ended(pid) for pid in worker_pids(proxy))  # no zombies are left
    proxy.expected_faults = ["worker_died"] * 2 + ["crash_loop"]


def test_a_worker_that_gets_sigterm_from_somebody_else_is_succeeded_at_once(
    workers_with, device_of, site
):
    proxy = workers_with(DRAIN_S=30)
    devices = [device_of(proxy, TOKEN) for _ in range(10)]
    assert all(echoes(each, site) for each in devices)
    pids = worker_pids(proxy)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    wait_for_workers(proxy, 2 * WORKERS)
    assert echoes(device_of(proxy, TOKEN), site)
    for each in devices:  # they drain meanwhile
        each.send(data(2, ECHOED))
        assert each.read_bytes(2, len(ECHOED)) == ECHOED
        each.socket.close()
    eventually(lambda: not set(pids) & set(worker_pids(proxy)))
    os.kill(worker_pids(proxy)[0], signal.SIGTERM)  # it has no tunnel, and ends at once
    wait_for_workers(proxy, 2 * WORKERS + 1)


def test_workers_whose_supervisor_was_killed_drain_and_say_so(workers_with, device_of, site):
    proxy = workers_with(DRAIN_S=30)
    device = device_of(proxy, TOKEN)
    assert echoes(device, site)
    pids = worker_pids(proxy)
    kill(proxy.process.id)
    proxy.process.wait(5)
    eventually(lambda: len(proxy.log.events("supervisor_lost")) == WORKERS)
    device.send(data(2, ECHOED))
    assert device.read_bytes(2, len(ECHOED)) == ECHOED
    device.socket.close()
    eventually(lambda: all(has_ended(pid) for pid in pids))
    proxy.start()  # on the same port
    assert echoes(device_of(proxy, TOKEN), site)
    proxy.expected_faults = ["supervisor_lost"] * WORKERS


def test_sighup_reloads_all_workers(workers_with, context, site):
    proxy = workers_with()
    with Comers(proxy, context, site) as comers:
        proxy.reload()
        loaded = lambda: [  # noqa: E731 -- two words
            line["worker"]
            for line in proxy.log.events("reloaded")
            if line["what"] == "the certificate"
        ]
        eventually(lambda: sorted(loaded()) == [1, 2])
    assert (comers.refused, comers.cut) == ([], [])


def test_sigterm_drains_all_workers_and_the_port_is_free_then(workers_with, device_of, site):
    proxy = workers_with(DRAIN_S=30)
    devices = [device_of(proxy, TOKEN) for _ in range(6)]
    for each in devices:
        each.send(connecting(2, site["echo"]))
        each.send(data(2, b"1"))
        each.read_bytes(2, 1)
    proxy.terminate()
    eventually(lambda: len(proxy.log.events("stopping")) == WORKERS + 1)
    eventually(lambda: proxy.log.events("draining"))
    with pytest.raises(OSError):  # noqa: PT011 -- refused, or reset while the last socket closed
        device_of(proxy)
    for each in devices:
        each.send(data(2, ECHOED))
        assert each.read_bytes(2, len(ECHOED)) == ECHOED
        each.socket.close()
    assert proxy.process.wait(20) == 0
    proxy.start()


def test_a_second_signal_stops_all_workers_at_once(workers_with, device_of, site):
    proxy = workers_with(DRAIN_S=60)
    assert echoes(device_of(proxy, TOKEN), site)
    pids = worker_pids(proxy)
    proxy.terminate()
    eventually(lambda: proxy.log.events("draining"))
    proxy.terminate()
    assert proxy.process.wait(10) == 0
    eventually(lambda: all(has_ended(pid) for pid in pids), 5)


def test_a_worker_that_hangs_does_not_survive_its_proxy(workers_with):
    proxy = workers_with(DRAIN_S=30)
    pids = worker_pids(proxy)
    os.kill(pids[0], signal.SIGSTOP)
    time.sleep(HUNG_S + 1.5)  # until it has missed some looks
    proxy.terminate()
    eventually(lambda: len(proxy.log.events("stopping")) == WORKERS)
    proxy.terminate()
    assert proxy.process.wait(10) == 0
    eventually(lambda: all(has_ended(pid) for pid in pids), 5)


HANGS_ON_SIGUSR2 = """
import signal, sys
if "worker" in sys.orig_argv:
    def loop(*_):
        while True:
            pass
    taken = signal.signal
    def set_handler(number, handler):
        return taken(number, loop if number == signal.SIGUSR2 else handler)
    signal.signal = set_handler
"""


def test_a_worker_that_was_stopped_is_killed_and_replaced(workers_with, device_of, site):
    proxy = workers_with(WORKER_TIMEOUT_S=4)
    stopped, other = worker_pids(proxy)
    os.kill(stopped, signal.SIGSTOP)
    (line,) = eventually(lambda: proxy.log.events("worker_hangs"))
    assert (line["pid"], line["error"]) == (stopped, "TP3036")
    assert re.fullmatch(r"worker 1 has not answered for [23] s\n", readyz(proxy)[1])
    assert proxy.metric("workers_silent") == 1
    wait_for_workers(proxy, WORKERS + 1)
    assert readyz(proxy) == (200, "ok\n")
    assert all(echoes(device_of(proxy, TOKEN), site) for _ in range(8))
    assert has_ended(stopped)
    assert not has_ended(other)
    assert proxy.metric("workers_killed_total") == proxy.metric("worker_restarts_total") == 1
    proxy.expected_faults = ["worker_hangs", "worker_died"]


def test_a_worker_in_an_endless_loop_says_where_before_it_is_killed(workers_with, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HANGS_ON_SIGUSR2)
    proxy = workers_with(WORKER_TIMEOUT_S=4, PYTHONPATH=tmp_path)
    os.kill(worker_pids(proxy)[0], signal.SIGUSR2)
    wait_for_workers(proxy, WORKERS + 1)
    (line,) = proxy.log.events("worker_wrote")
    assert re.search(
        r'most recent call first.*\n.*sitecustomize.py", line \d+ in loop', line["text"]
    )
    (died,) = proxy.log.events("worker_died")
    assert died["why"] == "killed, because it had not answered for 4 s"
    proxy.expected_faults = ["worker_hangs", "worker_wrote", "worker_died"]


def test_a_supervisor_that_was_stopped_blames_no_worker(workers_with, device_of, site):
    proxy = workers_with(WORKER_TIMEOUT_S=4)
    device = device_of(proxy, TOKEN)
    proxy.process.signal(signal.SIGSTOP)
    time.sleep(4.5)  # more than the timeout
    assert echoes(device, site)  # nothing of a device passes the supervisor
    proxy.process.signal(signal.SIGCONT)
    time.sleep(1.5)  # a look, and the next
    assert readyz(proxy) == (200, "ok\n")


def test_the_counters_of_a_workers_last_second_are_kept(workers_with, device_of, site, tmp_path):
    control = tmp_path / "control"
    proxy = workers_with(CONTROL_SOCKET=control, DRAIN_S=30)
    devices = [device_of(proxy, TOKEN) for _ in range(10)]
    assert all(echoes(each, site) for each in devices)
    assert upgrade(control).returncode == 0
    for each in devices:
        each.send(data(2, ECHOED))
        assert each.read_bytes(2, len(ECHOED)) == ECHOED
        each.socket.close()  # with that, its worker may end
    eventually(lambda: len(worker_pids(proxy)) == WORKERS)
    relayed = 'relayed_bytes_total{direction="device_to_target",listener="main"}'
    assert proxy.metric(relayed) == len(devices) * 2 * len(ECHOED)


def test_faults_of_the_settings_of_a_new_worker_are_lines_of_the_log(workers_with, tmp_path):
    control = tmp_path / "control"
    proxy = workers_with(CONTROL_SOCKET=control)
    proxy.certificate_file.write_text("damaged")
    assert upgrade(control).returncode == 1
    lines = proxy.log.events("wrong_settings")  # a line that is no JSON could not be read
    assert {(line["worker"], line["error"]) for line in lines} == {(1, "TP3001"), (2, "TP3001")}
    assert all("CERT_FILE" in line["faults"] for line in lines)
    proxy.expected_faults = ["wrong_settings"] * 2 + ["upgrade_failed"]


def test_upgrades_under_load_refuse_no_connection_and_cut_no_transfer(
    workers_with, context, site, tmp_path, device_of
):
    control = tmp_path / "control"
    proxy = workers_with(DRAIN_S=20, CONTROL_SOCKET=control)
    long_one = device_of(proxy, TOKEN)
    assert echoes(long_one, site)
    with Comers(proxy, context, site) as comers:
        for _ in range(3):
            before = set(worker_pids(proxy))
            done = upgrade(control)
            assert (done.returncode, done.stderr) == (0, "")
            assert not before & set(now_serving(proxy))
            long_one.send(data(2, ECHOED))  # on a worker that drains
            assert long_one.read_bytes(2, len(ECHOED)) == ECHOED
        served = comers.served
        eventually(lambda: comers.served > served + 10)
    assert (comers.refused, comers.cut) == ([], [])
    long_one.socket.close()
    eventually(lambda: len(worker_pids(proxy)) == WORKERS)


def now_serving(proxy):
    """Return the newest worker of each number."""
    return {line["worker"]: line["pid"] for line in proxy.log.events("worker_serves")}.values()


def test_sigusr2_upgrades_too(workers_with):
    proxy = workers_with()
    proxy.process.signal(signal.SIGUSR2)
    eventually(lambda: proxy.log.events("upgraded"), 30)
    eventually(lambda: len(worker_pids(proxy)) == WORKERS)


def test_sigusr1_and_sigusr2_do_not_end_a_proxy_of_one_process(proxy_with, device_of, site):
    proxy = proxy_with()
    device = device_of(proxy, TOKEN)
    proxy.process.signal(signal.SIGUSR2)
    eventually(lambda: proxy.log.events("upgrade_refused"))
    proxy.process.signal(signal.SIGUSR1)
    eventually(lambda: proxy.log.events("signal_ignored"))
    assert echoes(device, site)


def test_a_broken_new_version_leaves_the_old_one_serving(proxy_with, context, site, tmp_path):
    flag, control = tmp_path / "broken", tmp_path / "control"
    (tmp_path / "sitecustomize.py").write_text(BREAKS_NEW_WORKERS.format(flag=str(flag)))
    proxy = proxy_with(WORKERS=2, ADMIN_PORT=0, CONTROL_SOCKET=control, PYTHONPATH=tmp_path)
    wait_for_workers(proxy, 2)
    pids = worker_pids(proxy)
    with Comers(proxy, context, site) as comers:
        flag.touch()
        done = upgrade(control)
        assert done.returncode == 1
        assert re.search(r"new worker 1 ended before it served: exit code 3", done.stderr)
        served = comers.served
        eventually(lambda: comers.served > served + 10)
    assert worker_pids(proxy) == pids
    assert (comers.refused, comers.cut) == ([], [])
    assert readyz(proxy) == (200, "ok\n")
    proxy.expected_faults = ["upgrade_failed"]


def test_only_its_owner_can_use_the_control_socket(workers_with, tmp_path):
    control = tmp_path / "control"
    proxy = workers_with(CONTROL_SOCKET=control)
    assert control.stat().st_mode & 0o777 == 0o600
    kill(proxy.process.id)
    proxy.process.wait(5)
    pids = [line["pid"] for line in proxy.log.events("worker_serves")]
    eventually(lambda: all(has_ended(pid) for pid in pids))
    proxy.start()  # a socket that was left behind is in nobody's way
    eventually(lambda: upgrade(control).returncode == 0, 30)
    proxy.terminate()
    assert proxy.process.wait(20) == 0
    assert not control.exists()
    proxy.expected_faults = ["supervisor_lost"] * 2


def test_lines_of_all_workers_are_whole_and_also_in_the_log_file(
    workers_with, context, site, tmp_path
):
    file = tmp_path / "proxy.log"
    proxy = workers_with(LOG_FILE=file)
    with Comers(proxy, context, site, threads=4) as comers:
        eventually(lambda: comers.served > 100, 30)
    proxy.terminate()
    assert proxy.process.wait(20) == 0
    lines = file.read_text().splitlines()
    assert lines == proxy.process.stderr.splitlines()
    assert {json.loads(line).get("worker") for line in lines} == {None, 1, 2}


# --- limits of accounts


def open_tunnels(proxy, device_of, count):
    """Open tunnels until `count` were tried; return those that were accepted."""
    devices = [device_of(proxy) for _ in range(count)]
    return [each for each in devices if each.authenticate(TOKEN) == {"authed": True}]


def test_the_tunnels_of_an_account_are_limited_over_all_workers(workers_with, device_of):
    proxy = workers_with(MAX_TUNNELS_PER_ACCOUNT=12)
    accepted = open_tunnels(proxy, device_of, 20)
    assert len(accepted) == 12
    lines = eventually(lambda: authenticated(proxy, 12))
    assert {line["worker"] for line in lines} == {1, 2}
    eventually(lambda: proxy.metric("account_tunnels_max") == 12)
    accepted[0].socket.close()
    eventually(lambda: open_tunnels(proxy, device_of, 1))


def test_max_tunnels_holds_over_all_workers(workers_with, device_of):
    proxy = workers_with(MAX_TUNNELS=20)
    opened = []
    while len(opened) < 20:
        opened += connected(proxy, device_of)
    eventually(lambda: sum_of_tunnels(proxy) == len(opened))
    # each worker knows of the others' tunnels within two looks of the supervisor
    eventually(lambda: not any(connected(proxy, device_of) for _ in range(8)))
    assert proxy.metric("tunnels_limit") == 20


def connected(proxy, device_of):
    try:
        device = device_of(proxy)
        return [device] if device.authenticate(TOKEN) == {"authed": True} else []
    except (GoneError, OSError):
        return []


def sum_of_tunnels(proxy):
    return sum(proxy.metric(f'tunnels{{state="{each}"}}') for each in STATES)


STATES = ("authenticated", "unauthenticated")


def test_a_device_that_connects_to_another_worker_replaces_its_tunnel_there(
    workers_with, device_of
):
    proxy = workers_with()
    named = {"features": ["device/1"], "device": "a board"}
    for _ in range(12):  # by chance, some come to the other worker
        device = device_of(proxy)
        device.send(hello(TOKEN, **named))
        assert device.said()[1]["object"]["authed"] is True
    lines = eventually(lambda: authenticated(proxy, 12))
    assert {line["worker"] for line in lines} == {1, 2}
    eventually(lambda: proxy.metric('tunnels{state="authenticated"}') == 1)
    eventually(lambda: proxy.metric('tunnels_closed_total{outcome="replaced"}') == 11)


def test_wrong_tokens_of_an_address_count_on_all_workers(workers_with, device_of):
    proxy = workers_with(MAX_WRONG_TOKENS=6)
    for number in range(24):
        with device_of(proxy) as device:
            device.send(hello(f"guess {number}"))
            device.said()
    eventually(lambda: sum_of_refusals(proxy) == 24)
    wrong = proxy.metric('refusals_total{reason="wrong_token"}')
    assert 6 <= wrong <= 7  # the last one may have been checked before the other worker was told
    assert {line["worker"] for line in proxy.log.events("tunnel_closed")} >= {1, 2}


def sum_of_refusals(proxy):
    return sum(
        proxy.metric(f'refusals_total{{reason="{each}"}}')
        for each in ("wrong_token", "source_penalty")
    )


def test_the_bytes_of_a_day_are_limited_over_all_workers_and_restarts(
    workers_with, device_of, site
):
    limit = 3_000_000
    proxy = workers_with(BYTES_PER_DAY=limit)

    def moved():
        return moved_until_refused(device_of(proxy, TOKEN), site["echo"], 2 * limit)

    # each worker may move its half before the answer to its first call
    assert 0.9 * limit <= sum(moved() for _ in range(6)) <= 1.6 * limit
    for pid in worker_pids(proxy):
        kill(pid)
    wait_for_workers(proxy, 2 * WORKERS)
    assert moved() <= 0.5 * limit
    proxy.expected_faults = ["worker_died"] * 2


# --- listeners


def test_both_ports_are_served_by_all_workers_and_balancers_may_send_their_header(
    workers_with, context, tmp_path, site
):
    made = [sys.executable, "-m", "tessel_proxy", "make-cert", "--for-tessel-1", "boards.test"]
    subprocess.run([*made, "--out", tmp_path], check=True, capture_output=True)
    legacy = {
        f"LEGACY_{what}_FILE": tmp_path / f"tessel-1-{what.lower()}.pem" for what in ("CERT", "KEY")
    }
    proxy = workers_with(LEGACY_PORT=0, PROXY_PROTOCOL_FROM="127.0.0.1", **legacy)
    eventually(lambda: len(proxy.log.events("legacy_listening")) == WORKERS)
    boards = proxy.log.events("legacy_listening")
    assert {line["worker"] for line in boards} == {1, 2}
    assert len({line["port"] for line in boards}) == 1
    for number in range(20):
        with behind_balancer(proxy.port, context, f"192.0.2.{number}") as device:
            device.sendall(hello(TOKEN))
            assert b"true" in device.recv(1000)
    lines = eventually(lambda: authenticated(proxy, 20))
    assert {line["worker"] for line in lines} == {1, 2}
    assert {line["peer"].partition(":")[0] for line in lines} == {f"192.0.2.{n}" for n in range(20)}


def behind_balancer(port, context, host):
    plain = socket.create_connection(("127.0.0.1", port), 10)
    plain.sendall(f"PROXY TCP4 {host} 127.0.0.1 1000 {port}\r\n".encode())
    return context.wrap_socket(plain, server_hostname="localhost")


def test_sigterm_to_the_whole_process_group_lets_workers_drain(workers_with, device_of, site):
    proxy = workers_with(DRAIN_S=30)
    device = device_of(proxy, TOKEN)
    assert echoes(device, site)
    for pid in (proxy.process.id, *worker_pids(proxy)):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: proxy.log.events("draining"))
    time.sleep(0.5)
    device.send(data(2, ECHOED))
    assert device.read_bytes(2, len(ECHOED)) == ECHOED
    device.socket.close()
    assert proxy.process.wait(20) == 0
    assert "stopping at once" not in proxy.process.stderr
