"""An operator at one host sees and steers all hosts of a fleet, each with two workers."""

import os
import signal
import subprocess
import threading
import time
from contextlib import ExitStack

import pytest

from lab.waiting import eventually
from support.hardening.device import connecting, data, hello
from support.hardening.fleet import fleet, members
from support.hardening.operating import TOKEN, Operator
from support.hardening.proxy import COMMAND, running_proxy
from support.valkey_server import ValkeyServer

FEATURES = ["retry/1", "reason/1", "message/1", "device/1", "goaway/1"]
CREDENTIAL = "DEV-CRED"


@pytest.fixture(scope="module")
def engine():
    found = ValkeyServer("--requirepass", "sesame").start()
    yield found
    found.close()


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    return tmp_path_factory.mktemp("operated") / "control"


@pytest.fixture(scope="module")
def hosts(engine, authority, control):
    """Two hosts for all tests here; the last test kills the second one."""
    settings = {
        "AUTH_HARDCODED": CREDENTIAL,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "WORKERS": "2",
        "DRAIN_S": "1",
        "ADMIN_PORT": "0",
        **fleet(engine),
    }
    ways_in = {"ADMIN_TOKEN": TOKEN, "CONTROL_SOCKET": str(control)}
    with ExitStack() as stack:
        found = []
        for name, more in (("first", ways_in), ("second", {})):
            folder = control.parent / name
            folder.mkdir()
            running = running_proxy(folder, authority, {**settings, **more})
            found.append(stack.enter_context(running))
        eventually(lambda: members(engine) == 4, 60)
        yield found
        for each in found:  # tests stop processes and the engine, which may be noticed or not
            each.expected_faults = [
                line["event"] for line in each.faults() if line["event"] == "engine_away"
            ]


@pytest.fixture
def operator(hosts):
    """The operator of the first host, who sees both."""
    found = Operator(hosts[0])
    eventually(lambda: len(found.get("proxies")["proxies"]) == 4)
    eventually(lambda: found.get("tunnels")["total"] == 0)
    return found


@pytest.fixture
def operator_after_restart(hosts, request):
    """The operator, when the host that was drained has started again."""
    if not hosts[1].alive:
        hosts[1].start()
    return request.getfixturevalue("operator")


@pytest.fixture
def lamp_at(device_of):
    """Connect a device with a name to a host."""

    def connect(host, name):
        device = device_of(host)
        device.send(hello(CREDENTIAL, features=FEATURES, device=name))
        assert device.said()[1]["object"]["authed"] is True
        return device

    return connect


def row_of(operator, name):
    rows = operator.get(f"tunnels?device={name}")["tunnels"]
    return rows[0] if rows else None


def echoes(device, site):
    device.send(connecting(2, site["echo"]), data(2, b"a few bytes"))
    return device.read_bytes(2, 11) == b"a few bytes"


def test_lists_at_one_host_show_both(operator, hosts, lamp_at, control):
    for number in range(6):
        lamp_at(hosts[number % 2], f"lamp-{number}")
    eventually(lambda: operator.get("tunnels")["total"] == 6)
    whole = operator.get("tunnels")["tunnels"]
    assert len({each["member"].partition("/")[0] for each in whole}) == 2
    pages, after = [], ""
    while after is not None:
        page = operator.get(f"tunnels?limit=2&after={after}")
        pages += page["tunnels"]
        after = page["next"]
    assert [each["id"] for each in pages] == [each["id"] for each in whole]
    (account,) = operator.get("accounts")["accounts"]
    assert account["tunnels"] == 6
    assert len(operator.get("history")["all"]["opens"]) == 360
    listed = subprocess.run(
        [*COMMAND, "tunnels", "--table"],
        env={"CONTROL_SOCKET": str(control), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert all(f"lamp-{number}" in listed for number in range(6))


def test_one_tunnel_of_another_host_is_ended_within_a_second(operator, hosts, lamp_at):
    _near, far = lamp_at(hosts[0], "near"), lamp_at(hosts[1], "far")
    row = eventually(lambda: row_of(operator, "far"))
    assert operator.get(f"tunnels/{row['id']}")["device"] == "far"
    began = time.monotonic()
    answer = operator.delete(f"tunnels/{row['id']}?reason=too+warm")
    said = far.said()[1]["object"]
    far.wait_until_gone(within=1.0)
    assert time.monotonic() - began < 1.0
    assert (said["reason"], said["retry"], said["message"]) == ("ended", True, "too warm")
    assert answer == {"ended": 1, "confirmed": [row["member"]], "missing": []}
    assert [each["device"] for each in operator.get("tunnels")["tunnels"]] == ["near"]


def test_a_number_of_devices_is_moved_in_all(operator, hosts, lamp_at):
    lamps = [lamp_at(hosts[number % 2], f"lamp-{number}") for number in range(8)]
    eventually(lambda: operator.get("tunnels")["total"] == 8)
    assert operator.post("rebalance", tunnels=3) == {"asked": 3, "missing": []}
    for each in lamps:
        each.socket.settimeout(0.5)
    assert len([each for each in lamps if is_told(each, "goaway")]) == 3


def is_told(device, kind):
    try:
        return device.said()[1]["type"] == kind
    except TimeoutError:
        return False


def test_events_at_one_host_report_a_tunnel_of_the_other(operator, hosts, lamp_at, site):
    first = lamp_at(hosts[1], "there")
    row = eventually(lambda: row_of(operator, "there"))
    topics = f"tunnels,totals,substreams:{row['id']}"
    told = {"tunnels": [], "totals": [], "substreams": []}

    def has_told():
        opened = {each["device"] for value in told["tunnels"] for each in value["opened"]}
        totals = [value["tunnels"] for value in told["totals"]]
        return (
            "new" in opened and 2 in totals and any(each["opened"] for each in told["substreams"])
        )

    for name, value in operator.events(topics, 10.0):
        told[name].append(value)
        if len(told["totals"]) == 1:  # the first look is made
            lamp_at(hosts[1], "new")
            assert echoes(first, site)
        if has_told():
            break
    assert has_told()


@pytest.mark.parametrize("stopped", ["a worker", "the supervisor"])
def test_who_hangs_during_a_question_is_missing_and_obeys_no_old_command(
    operator, hosts, lamp_at, site, stopped
):
    lamp = lamp_at(hosts[1], "far")
    row = eventually(lambda: row_of(operator, "far"))
    pids = {each["member"]: each["pid"] for each in operator.get("proxies")["proxies"]}
    pid = pids[row["member"]] if stopped == "a worker" else hosts[1].process.id
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        page = operator.get("tunnels")
        assert time.monotonic() - began < 2.0
        assert row["member"] in page["missing"]
        assert operator.refused("DELETE", f"tunnels/{row['id']}?reason=no")[0] == 503
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: not operator.get("tunnels")["missing"])
    assert echoes(lamp, site)


def test_one_host_is_drained_by_the_name_of_its_worker(operator, hosts, lamp_at):
    lamp_at(hosts[1], "far")
    row = eventually(lambda: row_of(operator, "far"))
    host = row["member"].partition("/")[0]
    assert operator.post("drain", member=row["member"]) == {"draining": [host], "missing": []}
    eventually(lambda: not hosts[1].alive, 30)
    eventually(lambda: len(operator.get("proxies")["proxies"]) == 2)


def test_a_host_that_is_killed_during_a_question_is_missing_until_it_lapses(
    operator_after_restart, hosts, lamp_at, engine
):
    operator = operator_after_restart
    lamp_at(hosts[1], "far")
    lamp_at(hosts[0], "near")
    eventually(lambda: operator.get("tunnels")["total"] == 2)
    os.kill(hosts[1].process.id, signal.SIGSTOP)
    found = []
    asking = threading.Thread(target=lambda: found.append(operator.get("tunnels")))
    asking.start()
    hosts[1].kill()
    asking.join()
    (page,) = found
    assert [each["device"] for each in page["tunnels"]] == ["near"]
    assert len(page["missing"]) == 2
    engine.kill()
    began = time.monotonic()
    assert len(operator.get("tunnels")["missing"]) == 2
    assert time.monotonic() - began < 1.0
