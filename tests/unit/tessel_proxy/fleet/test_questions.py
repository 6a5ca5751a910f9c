"""One host asks all: pages are whole and bounded, and a command reaches only whom it names."""

import random
import zlib

import pytest
import pytest_twisted

from tessel_proxy.fleet.questions import MAX_ROWS, FleetAnswers, packed, unpacked
from tessel_proxy.operations import merging
from tessel_proxy.operations.inventory import prefix_of
from tessel_proxy.operations.process import Parts

EVERYTHING = {"account": None, "device": None, "address": None}


class Host:
    """A host with some processes, each with numbered tunnels; keeps what it was asked."""

    def __init__(self, name, tunnels):
        self.name = name
        self.tunnels = {f"{name}/{n}": list(numbers) for n, numbers in enumerate(tunnels)}
        self.asked, self.rows_sent, self.missing = [], 0, []

    async def ask(self, method, arguments):
        self.asked.append((method, arguments))
        answers = {member: self._answer(member, method, arguments) for member in self.tunnels}
        return Parts(answers, self.missing)

    def _answer(self, member, method, arguments):
        if method != "tunnels":
            return {"rows": [], "more": False} if method == "accounts" else member
        before, _, number = arguments["after"].rpartition("-")
        prefix = prefix_of(member)
        least = int(number) if before == prefix else -1
        left = [] if before > prefix else [n for n in self.tunnels[member] if n > least]
        wanted = arguments.get("each", {}).get(member, 0)
        self.rows_sent += len(left[:wanted])
        rows = [{"id": f"{prefix}-{n}"} for n in left[:wanted]]
        return {"total": len(self.tunnels[member]), "left": len(left), "rows": rows}


class Between:
    """Asks the other hosts directly. `silent` ones do not answer."""

    def __init__(self, hosts):
        self.hosts, self.serving, self.silent, self.own = hosts, {}, set(), ""
        self.questions = 0

    @property
    def members(self):
        return {each.name: list(each.tunnels) for each in self.hosts}

    def serve(self, host, answer):
        self.own = self.own or host
        self.serving[host] = answer

    async def ask(self, method, arguments, hosts=None):
        self.questions += 1
        answers, missing = {}, []
        for name in set(self.members) - {self.own}:
            if hosts is not None and name not in hosts:
                continue
            if name in self.silent:
                missing += self.members[name]
                continue
            parts = await self.serving[name](method, arguments)
            answers |= parts.answers
            missing += parts.missing
        return Parts(answers, missing)


def fleet_of(*hosts):
    between = Between(hosts)
    first, *_others = [FleetAnswers(each, each.name, between) for each in hosts]
    return between, first


async def pages(answers, limit):
    after, found = "", []
    while after is not None:
        asked = {**EVERYTHING, "limit": limit, "after": after}
        page = merging.page_of_tunnels((await answers.ask("tunnels", asked)).found, limit)
        assert len(page["tunnels"]) <= limit
        found += page["tunnels"]
        after = page["next"]
    return [each["id"] for each in found], page["total"]


@pytest.mark.parametrize("limit", [1, 3, 10, 1000])
@pytest_twisted.ensureDeferred
async def test_pages_over_hosts_have_each_tunnel_once_in_order(limit):
    chance = random.Random(limit)
    hosts = [
        Host(f"h{n}", [range(chance.randrange(9)) for _ in range(chance.randrange(1, 4))])
        for n in range(5)
    ]
    _between, answers = fleet_of(*hosts)
    found, total = await pages(answers, limit)
    expected = sorted(
        (prefix_of(member), n)
        for each in hosts
        for member, numbers in each.tunnels.items()
        for n in numbers
    )
    assert found == [f"{prefix}-{n}" for prefix, n in expected]
    assert total == len(expected)


@pytest_twisted.ensureDeferred
async def test_a_page_of_a_large_fleet_moves_the_rows_of_that_page_only():
    hosts = [Host(f"h{n}", [range(5000)]) for n in range(100)]
    between, answers = fleet_of(*hosts)
    parts = await answers.ask("tunnels", {**EVERYTHING, "limit": 1000, "after": ""})
    assert sum(each["total"] for each in parts.found) == 500_000
    assert sum(each.rows_sent for each in hosts) == 1001
    assert between.questions <= 2
    assert sum(len(each.asked) for each in hosts) <= 102


@pytest_twisted.ensureDeferred
async def test_a_host_that_does_not_answer_is_named_and_the_others_are_on_the_page():
    hosts = [Host(f"h{n}", [range(3)]) for n in range(3)]
    hosts[0].missing = ["h0/9"]
    between, answers = fleet_of(*hosts)
    between.silent.add("h2")
    parts = await answers.ask("tunnels", {**EVERYTHING, "limit": 10, "after": ""})
    assert sum(len(each["rows"]) for each in parts.found) == 6
    assert parts.missing == ["h0/9", "h2/0"]


@pytest_twisted.ensureDeferred
async def test_a_host_alone_asks_nobody():
    host = Host("h0", [range(3)])
    between, answers = fleet_of(host)
    await answers.ask("look", {"watcher": "w", "tunnels": []})
    assert (between.questions, host.asked) == (0, [("look", {"watcher": "w", "tunnels": []})])


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("tunnel", {"tunnel_id": f"{prefix_of('h1/0')}-4"}),
        ("end_tunnel", {"tunnel_id": f"{prefix_of('h1/0')}-4", "reason": "x"}),
        ("rebalance", {"member": "h1/0", "tunnels": 3, "share": None}),
        ("drain", {"member": "h1/0"}),
        ("rebalance", {"member": None, "tunnels": 3, "share": None, "each": {"h1/0": 3}}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_names_a_process_goes_to_its_host_only(method, arguments):
    hosts = [Host(f"h{n}", [range(3)]) for n in range(3)]
    _between, answers = fleet_of(*hosts)
    await answers.ask(method, arguments)
    assert [len(each.asked) for each in hosts] == [0, 1, 0]


@pytest_twisted.ensureDeferred
async def test_each_host_gets_only_the_numbers_of_its_own_processes():
    hosts = [Host(f"h{n}", [range(3)]) for n in range(2)]
    _between, answers = fleet_of(*hosts)
    each = {"h0/0": 1, "h1/0": 2}
    await answers.ask("rebalance", {"member": None, "tunnels": 3, "share": None, "each": each})
    assert [host.asked[0][1]["each"] for host in hosts] == [{"h0/0": 1}, {"h1/0": 2}]


@pytest_twisted.ensureDeferred
async def test_rows_of_all_hosts_together_are_bounded():
    hosts = [Host(f"h{n}", [[]]) for n in range(100)]
    _between, answers = fleet_of(*hosts)
    await answers.ask("accounts", {"limit": 1000, "after": ""})
    await answers.ask("look", {"watcher": "w", "tunnels": []})
    assert all(each.asked[0][1]["limit"] == MAX_ROWS // 100 for each in hosts)
    assert all(each.asked[1][1]["most"] == MAX_ROWS // 100 for each in hosts)


def test_answers_come_back_as_they_were():
    parts = unpacked(packed(Parts({"a": [1, None, "x"]}, ["b"])))
    assert (parts.answers, parts.missing) == ({"a": [1, None, "x"]}, ["b"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        packed(Parts({}))[:-3],
        zlib.compress(b"[1,2]"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b"{}"),
        zlib.compress(b"[{}," + b" " * (65 * 1024 * 1024) + b"[]]"),
    ],
)
def test_bytes_that_are_no_answer_are_a_value_error(data):
    with pytest.raises(ValueError, match=r"."):
        unpacked(data)
