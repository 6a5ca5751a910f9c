"""What `top` knows, and what it draws."""

import json
import re

import pytest

from support.page.stand_in_api import flat_history, proxy, tunnel
from tessel_proxy.console.live import MAX_TUNNELS, Broken, Event, Live, Lost, Order, Snapshot
from tessel_proxy.console.screen import lines_of
from tessel_proxy.console.stream import events_of
from tessel_proxy.console.units import width

NOW = 2e9
NOTHING = {"opened": [], "changed": [], "closed": []}
NO_HISTORY = {"step_s": 10, "from_at": NOW - 3600, "all": {"refusals": {}}}
TOTALS = {
    "tunnels": 100,
    "substreams": 7,
    "bytes_from_device_per_s": 1500.0,
    "bytes_from_target_per_s": 0.0,
    "opens_per_s": 0.5,
}


def fleet(*proxies, missing=()):
    engine = {"url": None, "away": False}
    return {"proxies": proxies, "engine": engine, "missing": list(missing)}


def live_of(*tunnels, history=NO_HISTORY, proxies=()):
    live = Live()
    live.take(Snapshot(tunnels, fleet(*proxies), history), NOW)
    live.take(Event("totals", TOTALS), NOW)
    return live


def ids(live, order=Order.RATE, count=9):
    return [row["id"][-1] for row in live.busiest(order, count)]


def drawn(live, columns=80, rows=24, order=Order.RATE):
    return lines_of(live, order, NOW, columns, rows)


def test_events_change_the_snapshot():
    live = live_of(tunnel(1), tunnel(2))
    changed = [tunnel(2)["id"], 10, 20, 5e6, 0.0, 17]
    closed = [{"id": tunnel(1)["id"]}, {"id": "unknown"}]
    news = {"opened": [tunnel(3)], "changed": [changed, ["unknown", *changed[1:]]]}
    live.take(Event("tunnels", {**news, "closed": closed}), NOW)
    assert ids(live) == ["2", "3"]
    assert live.tunnels[tunnel(2)["id"]]["open_substreams"] == 17


@pytest.mark.parametrize(
    ("order", "first"),
    [(Order.RATE, "1"), (Order.BYTES, "2"), (Order.OPEN, "3"), (Order.NEWEST, "4")],
)
def test_each_order_has_its_first(order, first):
    none = {"bytes_from_device_per_s": 0.0, "bytes_from_target_per_s": 0.0, "since_at": 0.0}
    none |= {"bytes_from_device": 0, "bytes_from_target": 0, "open_substreams": 0}
    most = {"bytes_from_target_per_s": 1.0}, {"bytes_from_target": 1}, {"open_substreams": 1}
    rows = [tunnel(n, **none | more) for n, more in enumerate((*most, {"since_at": 1.0}), start=1)]
    assert ids(live_of(*rows), order, 1) == [first]


def test_no_more_tunnels_are_known_than_the_limit():
    live = live_of(*(tunnel(n) for n in range(MAX_TUNNELS)))
    live.take(Event("tunnels", {**NOTHING, "opened": [tunnel(MAX_TUNNELS), tunnel(7)]}), NOW)
    assert len(live.tunnels) == MAX_TUNNELS


def test_refusals_of_the_last_hour_are_counted():
    live = live_of(history=flat_history() | {"from_at": NOW - 3600})
    live.take(Event("refusals", {"at": NOW, "error": "TP2005", "count": 2}), NOW)
    assert "refused in the last hour: TP1005 360, TP2005 2" in drawn(live)
    assert "refused in the last hour: TP2005 2" in lines_of(live, Order.RATE, NOW + 3600, 80, 24)


def test_a_lost_connection_is_said_until_it_is_back():
    live = live_of(tunnel(1))
    live.take(Lost("no proxy answers"), NOW - 12)
    live.take(Lost("still none"), NOW - 2)
    assert "connection lost 12s ago, trying again: still none" in drawn(live)
    live.take(Snapshot((), fleet(), NO_HISTORY), NOW)
    assert not any("lost" in line for line in drawn(live))


def test_a_bug_of_the_reader_is_raised():
    with pytest.raises(KeyError):
        live_of().take(Broken(KeyError("at")), NOW)


def test_80_columns_show_sums_faults_and_the_busiest_first():
    rows = [tunnel(n, device="d" * 90, bytes_from_device_per_s=float(n)) for n in range(100)]
    lines = drawn(live_of(*rows, proxies=[proxy("edge-2/b", ready=False, obstacles=["draining"])]))
    assert len(lines) == 24
    assert max(map(width, lines)) <= 80
    assert "processes 1  accounts 7  tunnels 100  open 7" in lines
    assert "edge-2/b is not ready: draining" in lines


@pytest.mark.parametrize("columns", [1, 20, 40])
@pytest.mark.parametrize("rows", [1, 3, 8, 24])
def test_a_small_terminal_gets_no_more_than_fits(columns, rows):
    lines = drawn(live_of(*map(tunnel, range(50))), columns, rows)
    assert len(lines) <= rows
    assert max(map(width, lines)) <= columns


def test_a_narrow_terminal_keeps_names_and_rates():
    heading = next(line for line in drawn(live_of(tunnel(1)), 48) if line.startswith("ACCOUNT"))
    assert re.split("  +", heading)[1:] == ["DEVICE", "OPEN", "FROM DEVICE", "FROM TARGET"]


def test_before_the_first_answer_it_says_that_it_waits():
    assert drawn(Live())[1] == "waiting for the proxy"


def test_the_list_says_if_it_has_not_all_tunnels():
    lines = drawn(live_of(tunnel(1)), order=Order.BYTES)
    assert any(line.startswith("tunnels by bytes, 1 of 100 (keys: r: rate") for line in lines)


def test_lines_of_a_stream_are_its_events():
    lines = [b": comment\n", b"\n", b"id: 1\n", b"event: totals\n", b"data: [1]\n", b"\n"]
    assert list(events_of([*lines, b"data: 2\n"])) == [("totals", [1]), ("totals", 2)]
    with pytest.raises(json.JSONDecodeError):
        list(events_of([b"data: {\n"]))
