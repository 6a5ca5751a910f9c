"""One look tells a bounded number of changes; nothing is lost, and nobody watches without end."""

import random
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.operations.inventory import Inventory, Process
from tessel_proxy.operations.watching import FORGET_S, MAX_WATCHERS, Watching
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome, TunnelOutcome
from tessel_proxy.tunnel.shared_state import TunnelRegistry


class Place:
    """The tunnels of a process, with real records and a real inventory."""

    def __init__(self):
        self.clock, self.ledger = Clock(), Ledger()
        self.happenings = Happenings(self.ledger, lambda: 0.0)
        self.tunnels = TunnelRegistry()
        self.inventory = Inventory(
            Process("host", "host", "proxy", 0.0),
            self.ledger,
            self.tunnels,
            SimpleNamespace(by_account={}),
            None,
            self.happenings,
            self.clock,
            lambda: 0.0,
        )
        self.watching = Watching(self.inventory)
        self.opened = []

    def open(self, count=1):
        for _ in range(count):
            number = len(self.opened)
            record = TunnelRecord(
                tunnel=number, peer="192.0.2.1:1", started_at=0.0, witness=self.happenings
            )
            tunnel = Tunnel(record, "open", None)
            self.tunnels.all.add(tunnel)
            self.opened.append(tunnel)
        return tunnel

    def move(self, *numbers):
        """Let tunnels open a substream, move as many bytes as their number and 1, and close it."""
        for each in numbers:
            relay = self.relay(self.opened[each])
            relay.bytes_from_device += 1 + each
            relay.close(0.0, Outcome.ENDED)

    def relay(self, tunnel):
        return SubstreamRecord(of=tunnel.record, substream=1, kind="net", started_at=0.0)

    def close(self, tunnel):
        self.tunnels.all.discard(tunnel)
        self.tunnels.closing.discard(tunnel)
        tunnel.record.log_closed(0.0, TunnelOutcome.ENDED, "")

    def look(self, watcher="w", **more):
        """Look a second later; a row or a count begins with the number of its tunnel."""
        self.clock.advance(1.0)
        found = self.watching.look(watcher, [], **more)
        return None if found is None else found["tunnels"]


@dataclass(eq=False)
class Tunnel:
    record: TunnelRecord
    stage: str
    tls: None


def number_of(tunnel_id):
    return int(tunnel_id.partition("-")[2])


def numbers(rows):
    return [number_of(each["id"]) for each in rows]


def counted(rows):
    return [(number_of(each[0]), each[1]) for each in rows]


@pytest.fixture
def place():
    return Place()


@pytest.fixture
def looking(place):
    """A function that makes a watcher of a place, and returns its looks."""

    def watched(**more):
        look = lambda **other: place.look(**(more | other))  # noqa: E731
        look()
        return look

    return watched


def test_new_tunnels_that_do_not_fit_are_reported_by_the_next_looks(place, looking):
    look = looking(most=4)
    place.open(10)
    told = [numbers(look()["opened"]) for _ in range(4)]
    assert [len(each) for each in told] == [4, 4, 2, 0]
    assert sorted(each for rows in told for each in rows) == list(range(10))


def test_counts_that_do_not_fit_are_reported_by_the_next_looks_and_wait_their_turn(place, looking):
    place.open(10)
    look = looking(most=4)
    place.move(*range(10))
    first = [number for number, _ in counted(look()["changed"])]
    place.move(*first)  # they change again, and come after those that wait
    told = [row for _ in range(2) for row in counted(look()["changed"])]
    assert sorted(number for number, _ in told[:6]) == sorted(set(range(10)) - set(first))
    assert all(nbytes == 1 + number for number, nbytes in told[:6])
    assert all(nbytes == 2 * (1 + number) for number, nbytes in told[6:])


def test_a_tunnel_that_has_stopped_to_move_bytes_is_reported_once_more(place, looking):
    look = looking()
    place.open()
    look()
    place.move(0)
    assert [row[3] for row in look()["changed"]] == [1.0]
    assert [row[3] for row in look()["changed"]] == [0.0]
    assert look()["changed"] == []


def test_a_tunnel_that_waits_for_its_device_to_close_is_reported_to_be_closing(place, looking):
    tunnel = place.open()
    look = looking()
    tunnel.stage = "closing"
    place.tunnels.closing.add(tunnel)
    (row,) = look()["opened"]
    assert row["state"] == "closing"
    assert look()["opened"] == []
    place.close(tunnel)
    assert numbers(look()["closed"]) == [0]


def test_who_begins_to_watch_tunnels_gets_what_came_since_the_last_look(place, looking):
    look = looking(topics=["totals"])
    place.open(2)
    assert look()["opened"] == []
    place.open()
    assert numbers(look(topics=["tunnels", "totals"])["opened"]) == [2]


def test_a_process_that_came_after_the_watcher_reports_all_its_tunnels(place):
    place.open(2)
    assert sorted(numbers(place.look(has_snapshot=True)["opened"])) == [0, 1]
    assert place.look(has_snapshot=True)["opened"] == []


def test_there_is_no_end_of_watchers_but_a_limit(place):
    for number in range(MAX_WATCHERS):
        assert place.watching.look(f"w{number}", []) is not None
    assert place.watching.look("one more", []) is None
    place.clock.advance(FORGET_S)
    assert place.watching.look("one more", []) is not None


class Page:
    """A watcher that keeps what it was told, as a browser does."""

    def __init__(self, place, name):
        self._place, self.name, self.rows = place, name, {}
        place.watching.look(name, [])
        rows = place.inventory.rows(place.tunnels.all)
        self.take({"opened": rows, "changed": [], "closed": []})

    def look(self):
        self.take(self._place.watching.look(self.name, [], most=5)["tunnels"])

    def take(self, told):
        for row in told["opened"]:
            counts = ("bytes_from_device", "open_substreams", "state")
            self.rows[row["id"]] = [row[each] for each in counts]
        for name, nbytes, _, _, _, substreams in told["changed"]:
            self.rows[name][:2] = nbytes, substreams
        for row in told["closed"]:
            self.rows.pop(row["id"], None)


class Life:
    """Tunnels that open, move bytes in substreams, begin to close, and close, by chance."""

    def __init__(self, place, chance):
        self._place, self._chance = place, chance
        self._relays = []

    def step(self):
        self._chance.choice((self._open, self._relay, self._relay, self._move, self._end))()

    def _open(self):
        self._place.open(self._chance.randrange(1, 4))

    def _relay(self):
        serving = [each for each in self._place.tunnels.all if each.stage == "open"]
        if serving:
            self._relays.append(self._place.relay(self._chance.choice(serving)))

    def _move(self):
        for each in self._relays:
            each.bytes_from_device += self._chance.randrange(2)
        while self._relays and self._chance.random() < 0.5:
            self._relays.pop().close(0.0, Outcome.ENDED)

    def _end(self):
        tunnels = self._place.tunnels
        for tunnel in [each for each in tunnels.closing if self._chance.random() < 0.5]:
            self._place.close(tunnel)
        for tunnel in [each for each in tunnels.all if self._chance.random() < 0.1]:
            tunnel.stage = "closing"
            tunnels.closing.add(tunnel)
            for each in [one for one in self._relays if one.of is tunnel.record]:
                self._relays.remove(each)
                each.close(0.0, Outcome.ENDED)


@pytest.mark.parametrize("seed", range(20))
def test_what_each_watcher_got_adds_up_to_what_is_open(place, seed):
    chance = random.Random(seed)
    life, pages = Life(place, chance), [Page(place, "one"), Page(place, "other")]
    for _ in range(200):
        life.step()
        place.clock.advance(chance.choice((0.1, 0.4)))
        if chance.random() < 0.7:
            chance.choice(pages).look()
    for page in pages * 30:  # five changes fit in one
        place.clock.advance(0.2)
        page.look()
    now = {
        each["id"]: [each["bytes_from_device"], each["open_substreams"], each["state"]]
        for each in place.inventory.rows(place.tunnels.all)
    }
    assert [page.rows for page in pages] == [now, now]
