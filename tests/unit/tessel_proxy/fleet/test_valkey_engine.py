"""The fleet's engine on a real Valkey server, with two hosts."""

from dataclasses import replace

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectionDone

from support.fleet_engines import Engines, passes, until
from support.valkey_server import ValkeyServer
from tessel_proxy.fleet import Demand, DeviceMoved, TokensRevoked, TunnelsEnded
from tessel_proxy.fleet.valkey.hearing import BLOCK_S

ONE = Demand(tunnels=1)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server():
    found = ValkeyServer().start()
    yield found
    found.close()


@pytest_twisted.async_yield_fixture
async def hosts(server):
    server("FLUSHALL")
    engines = Engines()
    yield [await engines.up(server.port), await engines.up(server.port)]
    await engines.close()


@pytest_twisted.ensureDeferred
async def test_members_see_each_other(hosts):
    first, second = hosts
    await first.renew("a")
    assert set(await second.renew("b")) == {"a", "b"}
    assert set(await first.renew("a")) == {"a", "b"}


@pytest_twisted.ensureDeferred
async def test_a_member_that_leaves_takes_its_counts_with_it(hosts):
    first, second = hosts
    await first.exchange("a", {f"account-{n}": Demand(2, 3) for n in range(1500)})
    await first.leave("a")
    totals = (await second.exchange("b", {"account-7": ONE}))["account-7"]
    assert (totals.demand, totals.holders) == (ONE, 1)
    assert await second.renew("b") == ("b",)


@pytest_twisted.ensureDeferred
async def test_a_silent_member_lapses_with_its_counts(hosts, server, monkeypatch):
    first, second = hosts
    monkeypatch.setattr("tessel_proxy.fleet.valkey.accounts.LIVES_MS", 300)
    await first.exchange("a", {"shop": Demand(5, 7)})
    await passes(0.4)
    totals = (await second.exchange("b", {"shop": ONE}))["shop"]
    assert (totals.demand.tunnels, totals.holders) == (1, 1)


@pytest_twisted.ensureDeferred
async def test_totals_are_the_sums_over_all_members(hosts):
    first, second = hosts
    await first.exchange("a", {"shop": Demand(2, 30, 1.5, 1e12, 3.0)})
    totals = (await second.exchange("b", {"shop": Demand(1, 4, 0.25, 1e12, 7.0)}))["shop"]
    assert totals.demand == Demand(3, 34, 1.75, 2e12, 10.0)
    assert totals.holders == 2


@pytest_twisted.ensureDeferred
async def test_the_same_exchange_twice_counts_once(hosts):
    for _ in range(3):
        totals = await hosts[0].exchange("a", {"shop": Demand(2, 3)})
    assert totals["shop"].demand == Demand(2, 3)


@pytest_twisted.ensureDeferred
async def test_a_demand_of_nothing_leaves_no_key(hosts, server):
    await hosts[0].exchange("a", {"shop": Demand(2, 3, 5.0)})
    totals = await hosts[0].exchange("a", {"shop": Demand(opens=5.0)})
    assert (totals["shop"].demand, totals["shop"].holders) == (Demand(), 0)
    assert server("EXISTS", "tessel:account:shop", "tessel:holds:a") == b":0\r\n"


@pytest_twisted.ensureDeferred
async def test_an_exchange_may_have_thousands_of_accounts(hosts):
    demands = {f"account {n}": Demand(n % 5 + 1, n) for n in range(3000)}
    totals = await hosts[0].exchange("a", demands)
    assert {name: each.demand for name, each in totals.items()} == demands


@pytest_twisted.ensureDeferred
async def test_an_exchange_of_nothing_is_allowed(hosts):
    assert await hosts[0].exchange("a", {}) == {}


@pytest_twisted.ensureDeferred
async def test_an_account_may_be_a_number_or_any_printable_text(hosts):
    names = ["123", "1e5", "-1", "nil", "日本 語", "a b:c", "%s%d", "'\"\\"]
    totals = await hosts[0].exchange("a", dict.fromkeys(names, ONE))
    assert [totals[name].demand for name in names] == [ONE] * len(names)
    assert (await hosts[1].admit("b", "123", None, 0, 9)).totals.demand.tunnels == 2


@pytest_twisted.ensureDeferred
async def test_only_as_many_tunnels_as_the_limit_are_admitted_in_all(hosts):
    first, second = hosts
    answers = [
        (await engine.admit(member, "shop", None, own, 5)).granted
        for own in range(4)
        for engine, member in ((first, "a"), (second, "b"))
    ]
    assert answers == [True] * 5 + [False] * 3


@pytest_twisted.ensureDeferred
async def test_a_repeated_admission_counts_once(hosts):
    for _ in range(3):
        admission = await hosts[0].admit("a", "shop", None, 0, 5)
    assert admission.granted
    assert admission.totals.demand.tunnels == 1


@pytest_twisted.ensureDeferred
async def test_a_refused_admission_counts_what_the_member_has(hosts):
    admission = await hosts[0].admit("a", "shop", None, 7, 5)
    assert not admission.granted
    assert admission.totals.demand.tunnels == 7


@pytest_twisted.ensureDeferred
async def test_a_device_that_moves_takes_its_place_along(hosts):
    first, second = hosts
    heard = []
    first.listen("a", heard.append)
    await first.admit("a", "shop", "till", 0, 1)
    admission = await second.admit("b", "shop", "till", 0, 1)
    assert admission.granted
    assert admission.totals.demand.tunnels == 1
    await until(lambda: heard)
    assert [replace(each, age_s=0.0) for each in heard] == [DeviceMoved("shop", "till", "b")]
    assert heard[0].age_s <= BLOCK_S + 1.0  # the inbox of a new member is read after BLOCK_S


@pytest_twisted.ensureDeferred
async def test_a_device_that_arrives_without_admission_is_reported_to_the_older_member(hosts):
    first, second = hosts
    heard = []
    first.listen("a", heard.append)
    await first.exchange("a", {"shop": ONE}, [("shop", "till")])
    totals = await second.exchange("b", {"shop": ONE}, [("shop", "till")])
    assert totals["shop"].demand.tunnels == 1
    await until(lambda: heard, within_s=1.5)


@pytest_twisted.ensureDeferred
async def test_a_device_that_comes_back_to_its_member_reports_nothing(hosts):
    first, second = hosts
    heard = []
    first.listen("a", heard.append)
    second.listen("b", heard.append)
    await first.admit("a", "shop", "till", 0, 5)
    await first.admit("a", "shop", "till", 0, 5)
    await passes(0.2)
    assert heard == []


@pytest_twisted.ensureDeferred
async def test_names_of_devices_do_not_fill_the_engine(hosts, server, monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.accounts.DEVICES_KEPT", 50)
    await hosts[0].exchange("a", {"shop": ONE}, [("shop", f"device {n}") for n in range(500)])
    assert server("HLEN", "tessel:devices:shop") == b":50\r\n"
    await hosts[0].exchange("a", {"shop": Demand()})
    assert server("EXISTS", "tessel:devices:shop") == b":0\r\n"


@pytest_twisted.ensureDeferred
async def test_slices_of_a_day_add_up_to_the_limit(hosts):
    first, second = hosts
    slices = [await each.take_bytes("shop", 40 * MIB, 100 * MIB) for each in (first, second) * 2]
    assert [each.nbytes // MIB for each in slices] == [40, 40, 20, 0]
    assert 86_000 < slices[0].ends_in_s <= 86_400


@pytest_twisted.ensureDeferred
async def test_bytes_that_were_given_back_can_be_taken_by_another(hosts):
    first, second = hosts
    await first.take_bytes("shop", 100, 100)
    await first.give_back_bytes("shop", 70)
    assert (await second.take_bytes("shop", 100, 100)).nbytes == 70


@pytest_twisted.ensureDeferred
async def test_slices_that_are_asked_for_together_are_different_ones(hosts):
    asked = [Deferred.fromCoroutine(hosts[0].take_bytes("shop", 30, 100)) for _ in range(5)]
    assert [each.nbytes for each in await gatherResults(asked)] == [30, 30, 30, 10, 0]


@pytest_twisted.ensureDeferred
async def test_large_limits_are_exact(hosts):
    limit = 10**15
    assert (await hosts[0].take_bytes("shop", limit - 1, limit)).nbytes == limit - 1
    assert (await hosts[1].take_bytes("shop", 5, limit)).nbytes == 1


@pytest_twisted.ensureDeferred
async def test_wrong_tokens_of_all_hosts_add_up_and_are_forgiven_with_time(hosts, server):
    first, second = hosts
    assert await first.wrong_tokens("192.0.2.1", 0, 10, 1.0) == 0
    await first.wrong_tokens("192.0.2.1", 3, 10, 1.0)
    level = await second.wrong_tokens("192.0.2.1", 2, 10, 1.0)
    assert 4.0 < level <= 5.0
    await passes(0.25)
    assert await first.wrong_tokens("192.0.2.1", 0, 10, 1.0) < level - 2
    await passes(0.4)
    assert server("EXISTS", "tessel:wrong:192.0.2.1") == b":0\r\n"


@pytest_twisted.ensureDeferred
async def test_a_notice_reaches_all_members_and_their_confirmations_come_back(hosts):
    first, second = hosts
    heard = {"a": [], "b": []}
    for engine, member in ((first, "a"), (second, "b")):
        engine.listen(member, heard[member].append)
        await engine.renew(member)
    await until(lambda: first._hearing._read_to and second._hearing._read_to)
    notice = TunnelsEnded("shop", "till")
    done = await first.publish(notice)
    assert (set(done.confirmed), done.missing) == ({"a", "b"}, ())
    assert heard == {"a": [notice], "b": [notice]}


@pytest_twisted.ensureDeferred
async def test_a_member_that_does_not_listen_is_reported_as_missing(hosts):
    first, second = hosts
    first.listen("a", lambda _: None)
    await first.renew("a")
    await second.renew("deaf")
    done = await first.publish(TokensRevoked("shop"))
    assert (done.confirmed, done.missing) == (("a",), ("deaf",))


@pytest_twisted.ensureDeferred
async def test_a_member_whose_hearer_fails_does_not_confirm(hosts, logged_failures):
    def fail(_notice):
        raise ZeroDivisionError

    hosts[0].listen("a", fail)
    await hosts[0].renew("a")
    assert (await hosts[0].publish(TokensRevoked(None))).missing == ("a",)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


@pytest_twisted.ensureDeferred
async def test_a_hearer_in_another_process_confirms_when_it_has_acted(hosts):
    acting = [Deferred(), Deferred()]
    hosts[0].listen("a", lambda _: acting[0])
    hosts[1].listen("b", lambda _: acting[1])
    await hosts[0].renew("a")
    await hosts[1].renew("b")
    reactor.callLater(0.1, acting[0].callback, None)
    reactor.callLater(0.1, acting[1].errback, ConnectionDone())
    done = await hosts[0].publish(TokensRevoked(None))
    assert (done.confirmed, done.missing) == (("a",), ("b",))


@pytest_twisted.ensureDeferred
async def test_scripts_are_loaded_again_when_the_server_has_lost_them(hosts, server):
    await hosts[0].renew("a")
    server("SCRIPT", "FLUSH")
    assert await hosts[0].renew("a") == ("a",)


@pytest_twisted.ensureDeferred
async def test_members_that_die_after_the_servers_clock_was_set_back_lapse_in_time(hosts, server):
    first, second = hosts
    await first.renew("dies")
    ahead = str(10**12 + int(server("TIME").split(b"\r\n")[2]) * 1000)
    server("ZADD", "tessel:members", ahead, "dies")  # as before the clock was set back
    await second.renew("lives")
    dies, lives = (
        float(server("ZSCORE", "tessel:members", each).split()[1]) for each in ("dies", "lives")
    )
    assert dies <= lives
