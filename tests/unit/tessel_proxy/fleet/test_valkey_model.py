"""The scripts on a real server do what a simple model does, in any order of calls and failures."""

import socket
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.valkey_server import ValkeyServer, command
from tessel_proxy.fleet import Demand, EngineError
from tessel_proxy.fleet.valkey import accounts as valkey_accounts
from tessel_proxy.fleet.valkey import engine as valkey_engine
from tessel_proxy.fleet.valkey.accounts import Accounts
from tessel_proxy.fleet.valkey.days import Days
from tessel_proxy.fleet.valkey.devices import Devices
from tessel_proxy.fleet.valkey.engine import ValkeyEngine
from tessel_proxy.limits.quota import DAY_S

HOSTS = ("x", "y", "z")
HOST_OF = {"x1": "x", "x2": "x", "y1": "y", "z1": "z"}
ACCOUNTS = ("123", "shop")
DEVICES = ("till", "door")
LIMIT = 1000

hosts = st.sampled_from(HOSTS)
members = st.sampled_from(sorted(HOST_OF))
accounts = st.sampled_from(ACCOUNTS)
devices = st.sampled_from(DEVICES)
departures = st.lists(devices, max_size=2)
demands = st.builds(
    Demand,
    tunnels=st.integers(0, 4),
    substreams=st.integers(0, 3),
    opens=st.integers(0, 10**6).map(lambda n: n / 1000),
    to_targets=st.sampled_from([0.0, 1.0, 10.0**12, 10.0**15]),  # Lua writes the last as 1e+15
    to_devices=st.integers(0, 3).map(float),
)


class BlockingLink:
    """Executes scripts at once on a connection of its own, and can lose the answer."""

    def __init__(self, port):
        self._wire = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self._wire.makefile("rb")
        self.loses_answer = False

    def command(self, *words):
        self._wire.sendall(command(*words))
        line = self._file.readline()
        assert line[:1] in b"+:$", line
        if line[:1] != b"$":
            return line[1:-2].decode()
        length = int(line[1:])
        return None if length < 0 else self._file.read(length + 2)[:-2].decode()

    async def run(self, script, *args):
        reply = self.command("EVAL", script.source, 0, *args)
        if self.loses_answer:
            raise EngineError("lost")
        return reply

    def close(self):
        self._file.close()
        self._wire.close()


class Unused:
    def __str__(self):
        return "nowhere"


def at_once(coroutine):
    """Return the result of a coroutine that never waits."""
    results = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    (result,) = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


def engine_on(link, clock, host):
    engine = ValkeyEngine(clock, Unused(), rebuild_s=0.0)
    engine._link = link
    engine._rebuilding.lost = lambda: None  # each renewal tells what was lost, too
    engine._days = Days(clock, link, engine._rebuilding, host)
    engine._devices = Devices(link)
    engine._accounts = Accounts(clock, link, engine._devices, engine._rebuilding)
    return engine


class FleetMachine(RuleBasedStateMachine):
    port = 0

    @initialize()
    def begin(self):
        self.link = BlockingLink(self.port)
        self.link.command("FLUSHALL")
        self.clock = Clock()
        self.engines = {host: self.engine(host) for host in HOSTS}
        self.epoch, self.epoch_of = 0, {}
        self.records = defaultdict(dict)  # account: member: demand
        self.alive, self.dead = set(), set()
        self.newest = defaultdict(dict)  # account: device: member
        self.remembered = {host: {} for host in HOSTS}
        self.moved = Counter()
        self.known = {host: Counter() for host in HOSTS}  # bytes by account, at the host
        self.taken = defaultdict(Counter)  # account: bytes by host, at the engine
        self.told = {}  # host, account: epoch of the engine that answered last about its day

    def engine(self, host):
        return engine_on(self.link, self.clock, host)

    def of(self, member):
        return self.engines[HOST_OF[member]]

    def teardown(self):
        if hasattr(self, "link"):
            self.link.close()

    # the model

    def called_by(self, member):
        self.dead.discard(member)
        self.alive.add(member)
        self.bury()

    def bury(self):
        for member in self.dead:
            self.alive.discard(member)
            for account in list(self.records):
                self.put(member, account, Demand())
        self.dead.clear()

    def put(self, member, account, demand):
        if demand.tunnels or demand.substreams:
            self.records[account][member] = demand
        else:
            self.records[account].pop(member, None)
            if not self.records[account]:
                del self.records[account]
                self.newest.pop(account, None)

    def put_tunnels(self, member, account, tunnels):
        old = self.records[account].get(member, Demand()) if account in self.records else Demand()
        self.put(
            member,
            account,
            Demand(tunnels, old.substreams, old.opens, old.to_targets, old.to_devices),
        )

    def total(self, account):
        found = self.records.get(account, {}).values()
        return (
            Demand(
                sum(each.tunnels for each in found),
                sum(each.substreams for each in found),
                round(sum(each.opens for each in found), 3),
                sum(each.to_targets for each in found),
                sum(each.to_devices for each in found),
            ),
            len(found),
        )

    def older(self, member, account, device):
        older = self.newest.get(account, {}).get(device)
        has = self.records.get(account, {}).get(older, Demand()).tunnels
        return older if older != member and older in self.alive and has else None

    def arrive(self, member, account, device):
        older = self.older(member, account, device)
        if older:
            self.put_tunnels(older, account, self.records[account][older].tunnels - 1)
            self.moved[older] += 1
        if account in self.records:
            self.newest[account][device] = member
        self.remembered[HOST_OF[member]][account, device] = member

    def depart(self, member, account, names):
        for name in names:
            if self.newest.get(account, {}).get(name) == member:
                del self.newest[account][name]
            if self.remembered[HOST_OF[member]].get((account, name)) == member:
                del self.remembered[HOST_OF[member]][account, name]

    def settle(self, host, account):
        self.taken[account][host] = self.known[host][account]
        self.told[host, account] = self.epoch

    def check(self, account, totals):
        demand, holders = self.total(account)
        assert totals.holders == holders
        assert totals.demand == demand

    # what may happen

    @rule(
        member=members,
        found=st.dictionaries(accounts, demands),
        arrived=st.none() | devices,
        departed=departures,
    )
    def exchange(self, member, found, arrived, departed):
        self.called_by(member)
        for account in found:
            self.depart(member, account, departed)
        for account, demand in found.items():
            self.put(member, account, demand)
        arrivals = [(account, arrived) for account in found] if arrived else []
        for account, device in arrivals:
            self.arrive(member, account, device)
        totals = at_once(
            self.of(member).exchange(
                member, found, arrivals, departed=dict.fromkeys(found, departed)
            )
        )
        assert set(totals) == set(found)
        for account, each in totals.items():
            self.check(account, each)

    @rule(
        member=members,
        account=accounts,
        device=st.none() | devices,
        own=st.integers(0, 4),
        limit=st.integers(1, 8),
        departed=departures,
    )
    def admit(self, *, member, account, device, own, limit, departed):
        self.called_by(member)
        self.depart(member, account, departed)
        self.put_tunnels(member, account, own)
        passed_on = device is not None and self.older(member, account, device) is not None
        granted = self.total(account)[0].tunnels - passed_on < limit
        if granted:
            self.put_tunnels(member, account, own + 1)
            if device is not None:
                self.arrive(member, account, device)
        admission = at_once(
            self.of(member).admit(member, account, device, own, limit, departed=departed)
        )
        assert admission.granted == granted
        self.check(account, admission.totals)

    @rule(member=members)
    def renew(self, member):
        self.called_by(member)
        host = HOST_OF[member]
        found = at_once(self.engines[host].renew(member))
        assert set(found) == self.alive
        if self.epoch_of.get(host, self.epoch) != self.epoch:
            for (account, device), each in self.remembered[host].items():
                if account in self.records:
                    self.newest[account].setdefault(device, each)
            for account in self.known[host]:
                if self.told[host, account] != self.epoch:
                    self.settle(host, account)
        self.epoch_of[host] = self.epoch
        assert self.engines[host]._epoch == self.link.command("HGET", "tessel:fleet", "epoch")

    @rule(member=members)
    def leave(self, member):
        if member in self.alive:
            self.dead.add(member)
        self.bury()
        self.moved[member] = 0
        remembered = self.remembered[HOST_OF[member]]
        for key in [key for key, each in remembered.items() if each == member]:
            del remembered[key]
        at_once(self.of(member).leave(member))

    @rule(member=members)
    def die(self, member):
        if member in self.alive:
            self.dead.add(member)
            self.link.command("ZADD", "tessel:members", "XX", 0, member)

    @rule(host=hosts, account=accounts, wanted=st.integers(0, LIMIT))
    def take_bytes(self, host, account, wanted):
        self.settle(host, account)
        free = max(0, LIMIT - self.taken[account].total())
        part = at_once(self.engines[host].take_bytes(account, wanted, LIMIT))
        assert part.nbytes == min(wanted, free)
        self.known[host][account] += part.nbytes
        self.settle(host, account)

    @rule(host=hosts, account=accounts, wanted=st.integers(0, LIMIT))
    def take_bytes_and_lose_the_answer(self, host, account, wanted):
        self.told.setdefault((host, account), None)
        self.taken[account][host] = self.known[host][account]
        free = max(0, LIMIT - self.taken[account].total())
        self.link.loses_answer = True
        with pytest.raises(EngineError):
            at_once(self.engines[host].take_bytes(account, wanted, LIMIT))
        self.link.loses_answer = False
        self.taken[account][host] += min(wanted, free)

    @rule(host=hosts, account=accounts, part=st.floats(0, 1))
    def give_back_bytes(self, host, account, part):
        if account not in self.known[host]:
            return
        nbytes = int(part * self.known[host][account])
        self.known[host][account] -= nbytes
        self.settle(host, account)
        at_once(self.engines[host].give_back_bytes(account, nbytes))

    @rule()
    def all_data_is_lost(self):
        self.link.command("FLUSHALL")
        self.epoch += 1
        self.records.clear()
        self.newest.clear()
        self.alive.clear()
        self.dead.clear()
        self.moved.clear()
        self.taken.clear()

    @rule()
    def the_day_ends(self):
        self.link.command("DEL", *(f"tessel:day:{each}" for each in ACCOUNTS))
        self.clock.advance(DAY_S + 1)
        self.taken.clear()
        for each in self.known.values():
            each.clear()

    # what is always so

    @invariant()
    def the_engine_keeps_what_the_model_does(self):
        if not hasattr(self, "link"):
            return
        for account in ACCOUNTS:
            taken = self.link.command("HGET", f"tessel:day:{account}", "sum")
            assert int(taken or 0) == self.taken[account].total()
            for device in DEVICES:
                newest = self.link.command("HGET", f"tessel:devices:{account}", device)
                assert newest == self.newest.get(account, {}).get(device)
            if account not in self.records and not self.dead:
                keys = (f"tessel:account:{account}", f"tessel:devices:{account}")
                assert self.link.command("EXISTS", *keys) == "0"
        for member in HOST_OF:
            held = [account for account, found in self.records.items() if member in found]
            assert self.link.command("SCARD", f"tessel:holds:{member}") == str(len(held))
            assert self.link.command("XLEN", f"tessel:inbox:{member}") == str(self.moved[member])


@pytest.fixture
def link():
    server = ValkeyServer().start()
    found = BlockingLink(server.port)
    yield found
    found.close()
    server.close()


def test_one_call_clears_no_more_accounts_of_dead_members_than_its_budget(link, monkeypatch):
    monkeypatch.setattr(valkey_accounts, "SWEEP", 4)
    engine = engine_on(link, Clock(), "host")
    at_once(engine.exchange("dead", {f"account {n}": Demand(1) for n in range(10)}))
    link.command("ZADD", "tessel:members", 0, "dead")
    left = []
    for _ in range(4):
        at_once(engine.exchange("other", {"shop": Demand(1)}))
        left.append(link.command("SCARD", "tessel:holds:dead"))
    assert left == ["6", "2", "0", "0"]
    assert at_once(engine.renew("other")) == ("other",)


def test_a_member_that_leaves_clears_all_its_accounts_in_several_calls(link, monkeypatch):
    monkeypatch.setattr(valkey_engine, "SWEEP", 4)
    engine = engine_on(link, Clock(), "host")
    at_once(engine.exchange("leaves", {f"account {n}": Demand(1) for n in range(10)}))
    at_once(engine.leave("leaves"))
    assert link.command("EXISTS", "tessel:holds:leaves", "tessel:account:account 9") == "0"


def test_an_engine_that_lost_its_data_learns_the_devices_again(link):
    engine = engine_on(link, Clock(), "host")
    at_once(engine.admit("a", "shop", "till", 0, 10))
    at_once(engine.renew("a"))
    link.command("FLUSHALL")
    at_once(engine.exchange("a", {"shop": Demand(1)}))
    at_once(engine.renew("a"))
    assert link.command("HGET", "tessel:devices:shop", "till") == "a"


def test_the_names_of_devices_of_an_account_are_bounded(link, monkeypatch):
    monkeypatch.setattr(valkey_accounts, "DEVICES_KEPT", 5)
    engine = engine_on(link, Clock(), "host")
    for number in range(30):
        at_once(engine.admit("a", "shop", f"device {number}", 1, 10))
    assert link.command("HLEN", "tessel:devices:shop") == "8"  # 4 for each of two tunnels


def test_any_order_of_calls_and_failures_gives_the_totals_of_the_model():
    server = ValkeyServer().start()
    machine = type("FleetMachine", (FleetMachine,), {"port": server.port})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=250,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        server.close()
