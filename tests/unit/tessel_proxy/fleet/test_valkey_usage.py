"""Usage per account and day in a real Valkey server."""

import pytest
import pytest_twisted

from support.fleet_engines import Engines, until_async
from support.valkey_server import ValkeyServer
from tessel_proxy.operations import Usage, UsageError, UsageQuestion, UsageRow

DAY = "2026-11-30"


@pytest.fixture(scope="module")
def server():
    found = ValkeyServer().start()
    yield found
    found.close()


@pytest_twisted.async_yield_fixture
async def hosts(server):
    server("FLUSHALL")
    engines = Engines()
    yield [(await engines.up(server.port)).usage, (await engines.up(server.port)).usage]
    await engines.close()


def row(account="kim", day=DAY, **usage):
    return UsageRow(day, account, Usage(**(usage or {"opens": 1})))


def question(**more):
    return UsageQuestion(**{"first": DAY, "last": DAY} | more)


@pytest_twisted.ensureDeferred
async def test_hosts_add_to_the_same_account_and_repeated_calls_count_once(hosts):
    first, second = hosts
    for _ in range(2):
        await first.add(1, [row(bytes_from_device=2**50, refusals=1)], "")
    await second.add(1, [row(bytes_from_device=5)], "")
    await first.add(2, [row()], "")
    page = await second.read(question())
    assert page.rows == [row(bytes_from_device=2**50 + 5, refusals=1, opens=1)]


@pytest_twisted.ensureDeferred
async def test_pages_of_days_and_of_one_account(hosts):
    rows = [row(f"account {n}", f"2026-11-{day:02}") for day in (28, 30) for n in range(5)]
    await hosts[0].add(1, rows, "")
    found, after = [], ("", "")
    while True:
        page = await hosts[1].read(question(first="2026-11-01", after=after, limit=3))
        found += page.rows
        after = (page.rows[-1].day, page.rows[-1].account)
        if not page.has_more:
            break
    assert found == rows
    one = await hosts[1].read(question(first="2026-11-01", account="account 4"))
    assert one.rows == [rows[4], rows[9]]
    later = await hosts[1].read(
        question(first="2026-11-01", account="account 4", after=("2026-11-28", "account 4"))
    )
    assert later.rows == [rows[9]]


@pytest_twisted.ensureDeferred
async def test_a_day_lapses_after_ninety_days(hosts, server):
    await hosts[0].add(1, [row()], "")
    seconds = int(server("TTL", f"tessel:usage:{DAY}").strip()[1:])
    assert 90 * 86_400 < seconds <= 91 * 86_400


@pytest_twisted.ensureDeferred
async def test_hostile_names_are_only_names(hosts):
    names = sorted(["tessel:usage", "a b", "\N{PILE OF POO}", "'"])
    await hosts[0].add(1, [row(each) for each in names], "")
    assert [each.account for each in (await hosts[0].read(question())).rows] == names


@pytest_twisted.ensureDeferred
async def test_without_the_engine_usage_says_so_and_is_counted_later(hosts, server):
    server.hang()
    try:
        with pytest.raises(UsageError, match="the engine"):
            await hosts[0].add(1, [row()], "")
        with pytest.raises(UsageError, match="the engine"):
            await hosts[0].read(question())
    finally:
        server.go_on()

    async def written():
        try:
            await hosts[0].add(1, [row()], "")
        except UsageError:
            return False
        return True

    await until_async(written, 15.0)
    assert (await hosts[0].read(question())).rows == [row()]
