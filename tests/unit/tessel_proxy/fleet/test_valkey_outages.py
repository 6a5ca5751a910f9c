"""What two hosts do while their real server is killed, hung, emptied, restarted or slow."""

from dataclasses import replace

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from support.fleet_engines import Engines, passes, until, until_async
from support.valkey_server import SlowRelay, ValkeyServer
from tessel_proxy.fleet import Demand, DeviceMoved, EngineError, TokensRevoked, TunnelsEnded
from tessel_proxy.fleet.engine import CALL_TIMEOUT_S

MIB = 1024 * 1024
REACTION_S = 0.25  # what a busy machine adds


@pytest.fixture
def server():
    found = ValkeyServer().start()
    yield found
    found.close()


@pytest_twisted.async_yield_fixture
async def engines():
    found = Engines()
    yield found
    await found.close()


async def failing(call):
    """Await a call that must fail, and return the seconds that this took."""
    began = reactor.seconds()
    with pytest.raises(EngineError):
        await call
    return reactor.seconds() - began


def ensure(coroutine):
    return Deferred.fromCoroutine(coroutine)


async def totals(engine, member, demand):
    return (await engine.exchange(member, {"shop": demand}))["shop"]


async def answers(engine, member):
    try:
        await engine.renew(member)
    except EngineError:
        return False
    return True


@pytest_twisted.ensureDeferred
async def test_a_host_starts_without_its_engine_and_finds_it_later(server, engines):
    server.kill()
    engine = engines(server.port)
    assert await failing(engine.renew("a")) < REACTION_S
    await until(lambda: engine.health.is_degraded)
    server.start()
    await until_async(lambda: answers(engine, "a"))


@pytest_twisted.ensureDeferred
async def test_calls_to_a_killed_server_fail_at_once(server, engines):
    engine = await engines.up(server.port)
    await engine.renew("a")
    server.kill()
    assert await failing(engine.admit("a", "shop", None, 0, 5)) < REACTION_S
    await until(lambda: not engine.is_up)
    assert await failing(engine.take_bytes("shop", 1, 5)) < REACTION_S


@pytest_twisted.ensureDeferred
async def test_counts_are_right_again_after_one_exchange_with_a_restarted_server(server, engines):
    first, second = await engines.up(server.port), await engines.up(server.port)
    await totals(first, "a", Demand(3, 4))
    await totals(second, "b", Demand(5, 6))
    server.kill()
    server.start()
    await until(lambda: not first.is_up or not second.is_up)
    await until(lambda: first.is_up and second.is_up)
    await totals(first, "a", Demand(3, 4))
    found = await totals(second, "b", Demand(5, 6))
    assert (found.demand, found.holders) == (Demand(8, 10), 2)
    assert set(await first.renew("a")) == {"a", "b"}


@pytest_twisted.ensureDeferred
async def test_calls_to_a_hung_server_fail_in_time_and_counts_are_right_after_it(server, engines):
    first, second = await engines.up(server.port), await engines.up(server.port)
    await totals(first, "a", Demand(3))
    server.hang()
    took_s = await failing(first.admit("a", "shop", None, 3, 5))
    assert CALL_TIMEOUT_S <= took_s < CALL_TIMEOUT_S + REACTION_S
    # while an earlier call waits, a device does not wait for another one
    assert await failing(first.wrong_tokens("192.0.2.1", 1, 5, 1000.0)) < REACTION_S
    server.go_on()
    await until_async(lambda: answers(second, "b"))
    assert (await totals(first, "a", Demand(4))).demand == Demand(4)
    assert await second.wrong_tokens("192.0.2.1", 0, 5, 1000.0) > 0.9  # it was executed


@pytest_twisted.ensureDeferred
async def test_a_server_that_hangs_for_long_is_dialled_again(server, engines, monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.link.HUNG_S", 0.8)
    monkeypatch.setattr("tessel_proxy.fleet.valkey.dialing.DIAL_TIMEOUT_S", 0.5)
    engine = await engines.up(server.port)
    server.hang()
    await failing(engine.renew("a"))
    await passes(0.5)
    await failing(engine.renew("a"))  # the first is 1 s old now
    await until(lambda: not engine.is_up)
    assert await failing(engine.renew("a")) < REACTION_S
    await passes(1.2)  # an attempt to dial fails, too
    server.go_on()
    await until_async(lambda: answers(engine, "a"))


@pytest_twisted.ensureDeferred
async def test_an_emptied_server_learns_all_counts_within_an_exchange(server, engines):
    first, second = await engines.up(server.port), await engines.up(server.port)
    await totals(first, "a", Demand(3, 4))
    await totals(second, "b", Demand(5, 6))
    server("FLUSHALL")
    await totals(first, "a", Demand(3, 4))
    found = await totals(second, "b", Demand(5, 6))
    assert (found.demand, found.holders) == (Demand(8, 10), 2)


@pytest_twisted.ensureDeferred
async def test_no_tunnel_is_granted_by_counts_of_which_half_is_lost(server, engines):
    first = await engines.up(server.port, rebuild_s=0.3)
    second = await engines.up(server.port, rebuild_s=0.3)
    await totals(first, "a", Demand(5))
    await totals(second, "b", Demand(1))
    server("FLUSHALL")
    await failing(second.admit("b", "shop", None, 1, 6))
    assert await first.exchange("a", {"shop": Demand(5)}) == {}
    await passes(0.4)
    assert not (await second.admit("b", "shop", None, 1, 6)).granted


@pytest_twisted.ensureDeferred
async def test_a_device_that_its_member_may_refuse_keeps_its_tunnel_elsewhere(server, engines):
    first = await engines.up(server.port, rebuild_s=5.0)
    second = await engines.up(server.port, rebuild_s=5.0)
    await first.admit("a", "shop", "till", 0, 6)
    await second.renew("b")
    server("FLUSHALL")
    await first.exchange("a", {"shop": Demand(1)}, [("shop", "till")])
    for _ in range(2):  # the first one notices the loss
        await failing(second.admit("b", "shop", "till", 0, 6))
    assert server("HGET", "tessel:devices:shop", "till") == b"$1\r\na\r\n"
    assert server("EXISTS", "tessel:inbox:a") == b":0\r\n"


@pytest_twisted.ensureDeferred
async def test_a_device_that_was_refused_is_reported_to_an_emptied_server_where_it_is(
    server, engines
):
    host = await engines.up(server.port)
    await host.renew("a")
    await host.admit("a", "shop", "till", 0, 1)
    await host.exchange("a", {"shop": Demand(2)})
    assert not (await host.admit("b", "shop", "till", 0, 1)).granted
    server("FLUSHALL")
    await host.exchange("a", {"shop": Demand(2)})
    await host.renew("a")
    assert server("HGET", "tessel:devices:shop", "till") == b"$1\r\na\r\n"


@pytest_twisted.ensureDeferred
async def test_counts_after_a_silence_grant_nothing_and_move_no_device(
    server, engines, monkeypatch
):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.rebuilding.MEMBER_LIVES_S", 0.3)
    first = await engines.up(server.port, rebuild_s=5.0)
    await first.admit("a", "shop", None, 0, 6)
    await passes(0.4)
    await failing(first.admit("a", "shop", None, 1, 6))
    assert (await totals(await engines.up(server.port), "b", Demand(1))).demand == Demand(2)


@pytest_twisted.ensureDeferred
async def test_an_emptied_server_learns_the_bytes_of_the_day_with_the_next_renewal(server, engines):
    first, second = await engines.up(server.port), await engines.up(server.port)
    await first.renew("a")
    await second.renew("b")
    await first.take_bytes("shop", 30, 100)
    day = await second.take_bytes("shop", 50, 100)
    server("FLUSHALL")
    await first.renew("a")
    await second.renew("b")
    left = await first.take_bytes("shop", 100, 100)
    assert left.nbytes == 20
    assert left.ends_in_s == pytest.approx(day.ends_in_s, abs=5)


@pytest_twisted.ensureDeferred
async def test_bytes_that_another_host_has_used_are_not_granted_again_after_a_loss(server, engines):
    first = await engines.up(server.port, rebuild_s=0.5)
    second = await engines.up(server.port, rebuild_s=0.5)
    first.listen("a", lambda _notice: None)
    await first.take_bytes("shop", 70, 100)
    await second.take_bytes("shop", 10, 100)
    await until(lambda: first._hearing._read_to and second._hearing._read_to)
    server("FLUSHALL")
    for _ in range(2):  # the first one notices the loss
        await failing(second.take_bytes("shop", 30, 100))
    await passes(0.6)  # the first host moves nothing, and renews nothing
    assert (await second.take_bytes("shop", 30, 100)).nbytes == 20


@pytest_twisted.ensureDeferred
async def test_a_day_that_a_new_host_began_after_a_loss_is_joined_with_the_older_one(
    server, engines
):
    first, second = await engines.up(server.port), await engines.up(server.port)
    await first.renew("a")
    await first.take_bytes("shop", 60, 100)
    server("FLUSHALL")
    assert (await second.take_bytes("shop", 30, 100)).nbytes == 30
    await first.renew("a")
    assert (await second.take_bytes("shop", 30, 100)).nbytes == 10
    assert (await first.take_bytes("shop", 30, 100)).nbytes == 0


@pytest_twisted.ensureDeferred
async def test_an_emptied_server_learns_where_devices_are_with_the_next_renewal(server, engines):
    first, second = await engines.up(server.port), await engines.up(server.port)
    heard = []
    first.listen("a", heard.append)
    await first.renew("a")
    await first.admit("a", "shop", "till", 0, 9)
    server("FLUSHALL")
    await totals(first, "a", Demand(1))
    await first.renew("a")
    await second.admit("b", "shop", "till", 0, 9)
    await until(lambda: heard)
    assert [replace(each, age_s=0.0) for each in heard] == [DeviceMoved("shop", "till", "b")]


@pytest_twisted.ensureDeferred
async def test_a_slow_server_still_gets_all_counts(server, engines):
    relay = await SlowRelay(server.port).start()
    slow, fast = await engines.up(relay.port), await engines.up(server.port)
    relay.delay_s = 2.0
    assert await failing(slow.exchange("a", {"shop": Demand(3, 4)})) < CALL_TIMEOUT_S + REACTION_S

    async def counted():
        return (await totals(fast, "b", Demand(1))).demand.tunnels == 4

    await until_async(counted)
    assert slow.is_up  # a slow connection is not cut
    await passes(2.2)
    relay.delay_s = 0.0
    assert (await totals(slow, "a", Demand(2))).demand.tunnels == 3
    await relay.stop()


@pytest_twisted.ensureDeferred
async def test_a_slow_server_is_connected_after_one_wait_for_all_commands(
    server, engines, monkeypatch
):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.dialing.DIAL_TIMEOUT_S", 1.2)
    relay = await SlowRelay(server.port).start()
    relay.delay_s = 0.4  # in each direction
    engine = await engines.up(relay.port, database=1)
    assert not engine.health.failures
    await relay.stop()


@pytest_twisted.ensureDeferred
async def test_slices_whose_answers_came_too_late_are_not_lost_for_the_account(server, engines):
    relay = await SlowRelay(server.port).start()
    slow, fast = await engines.up(relay.port), await engines.up(server.port)
    await slow.take_bytes("other", 1, 100)  # the script is loaded
    relay.delay_s = 1.0
    for _ in range(3):
        await failing(slow.take_bytes("shop", 30, 100))
    await passes(2.5)
    relay.delay_s = 0.0
    assert (await slow.take_bytes("shop", 30, 100)).nbytes == 30
    assert (await fast.take_bytes("shop", 100, 100)).nbytes == 70
    await relay.stop()


@pytest_twisted.ensureDeferred
async def test_a_notice_is_heard_after_the_reconnect(server, engines):
    relay = await SlowRelay(server.port).start()
    away, other = await engines.up(relay.port), await engines.up(server.port)
    heard = []
    away.listen("a", heard.append)
    await away.renew("a")
    await until(lambda: away._hearing._read_to)
    await relay.stop()
    await until(lambda: not away.is_up)
    done = await other.publish(TokensRevoked("shop"))
    assert done.missing == ("a",)
    again = SlowRelay(server.port)
    again_port = relay.port
    await again.start(again_port)
    await until(lambda: heard)
    assert heard == [TokensRevoked("shop")]
    await again.stop()


@pytest_twisted.ensureDeferred
async def test_a_command_that_is_heard_late_says_how_old_it_is(server, engines):
    relay = await SlowRelay(server.port).start()
    away, other = await engines.up(relay.port), await engines.up(server.port)
    heard = []
    away.listen("a", heard.append)
    await until(lambda: away._hearing._read_to)
    await other.publish(TunnelsEnded("shop"))
    await until(lambda: heard)
    await relay.stop()
    await until(lambda: not away.is_up)
    await other.publish(TunnelsEnded("shop"))
    await passes(0.5)
    again = SlowRelay(server.port)
    await again.start(relay.port)
    await until(lambda: len(heard) == 2)
    assert heard[0].age_s == 0.0
    assert 0.5 <= heard[1].age_s < 10.0
    await again.stop()


@pytest_twisted.ensureDeferred
async def test_tokens_are_checked_again_if_data_was_lost_while_a_host_was_away(server, engines):
    engine = await engines.up(server.port)
    heard = []
    engine.listen("a", heard.append)
    await until(lambda: engine._hearing._read_to)
    server.kill()
    server.start()
    await until(lambda: heard)
    assert heard == [TokensRevoked(None)]


@pytest_twisted.async_fixture
async def three(server, engines):
    """Two hosts whose members listen, one that has no members, and what was heard."""
    hosts = [await engines.up(server.port) for _ in "ab"]
    heard = {"a": [], "b": []}
    for engine, member in zip(hosts, heard, strict=True):
        engine.listen(member, heard[member].append)
        await engine.renew(member)
    await hosts[0].renew("a")  # which sees b
    command = await engines.up(server.port)
    await until(lambda: all(each._hearing._read_to for each in hosts))
    return (*hosts, command, heard)


@pytest_twisted.ensureDeferred
async def test_a_member_that_an_emptied_server_has_not_seen_yet_is_named_as_missing(server, three):
    first, second, _, _ = three
    second.stop()
    server("FLUSHALL")
    done = await first.publish(TunnelsEnded("shop"))
    assert (done.confirmed, done.missing) == (("a",), ("b",))


@pytest_twisted.ensureDeferred
async def test_a_command_after_a_loss_waits_until_the_members_say_that_they_live(
    server, three, engines, monkeypatch
):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.publishing.ALL_LIVE_S", 0.8)
    _, _, command, heard = three
    deaf = await engines.up(server.port)
    server("FLUSHALL")
    reactor.callLater(0.6, lambda: ensure(deaf.renew("deaf")))
    done = await command.publish(TunnelsEnded("shop"))
    assert (set(done.confirmed), done.missing) == ({"a", "b"}, ("deaf",))
    assert [len(each) for each in heard.values()] == [1, 1]


@pytest_twisted.ensureDeferred
async def test_a_notice_that_is_lost_while_it_waits_is_published_again_and_acted_on_once(
    server, three, engines
):
    first, _, _, heard = three
    late = await engines.up(server.port)
    await late.renew("late")
    await first.renew("a")
    await until(lambda: late._hearing._read_to)
    publishing = ensure(first.publish(TunnelsEnded("shop")))
    await until(lambda: heard["a"] and heard["b"])
    server("FLUSHALL")
    late.listen("late", heard.setdefault("late", []).append)
    done = await publishing
    assert (set(done.confirmed), done.missing) == ({"a", "b", "late"}, ())
    assert [len(each) for each in heard.values()] == [1, 1, 1]


@pytest_twisted.ensureDeferred
async def test_the_log_says_what_to_repeat_if_notices_were_lost(server, three, logged):
    _, _, _, heard = three
    server.kill()
    server.start()
    await until(lambda: all(heard.values()))
    assert "Repeat commands" in str(logged.named("notices_lost")[0]["log_format"])


@pytest_twisted.ensureDeferred
async def test_the_members_that_were_last_seen_are_assumed_after_a_loss(server, three):
    first, second, _, _ = three
    second.stop()
    server("FLUSHALL")
    assert set(await first.renew("a")) == {"a", "b"}
    assert set(first.questions.members) == {"a", "b"}


@pytest_twisted.ensureDeferred
async def test_the_log_reports_once_that_the_engine_is_away_and_back(
    server, engines, logged, monkeypatch
):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.health.STEADY_S", 0.5)
    engine = await engines.up(server.port)
    server.kill()
    for _ in range(5):
        await failing(engine.renew("a"))
    server.start()
    await until_async(lambda: answers(engine, "a"))
    await passes(0.6)
    await engine.renew("a")
    assert not engine.health.is_degraded
    assert [each["error"] for each in logged.named("engine_away")] == ["TP3034"]
    assert len(logged.named("engine_back")) == 1


@pytest_twisted.ensureDeferred
async def test_a_server_that_drops_keys_is_reported(engines, logged):
    server = ValkeyServer("--maxmemory-policy", "allkeys-lru").start()
    try:
        await engines.up(server.port)
        assert logged.named("engine_may_evict")[0]["error"] == "TP3035"
    finally:
        await engines.close()
        server.close()


@pytest_twisted.ensureDeferred
async def test_a_late_notice_does_not_cut_a_device_that_has_come_back(server, engines):
    first, second = await engines.up(server.port), await engines.up(server.port)
    await first.admit("a", "shop", "till", 0, 9)
    await second.admit("b", "shop", "till", 0, 9)
    await first.admit("a", "shop", "till", 0, 9)
    heard = []
    first.listen("a", heard.append)  # its first notice waits since the device was away
    await until(lambda: first._hearing._read_to.get("tessel:inbox:a", "0-0") != "0-0")
    await passes(0.1)
    assert heard == []


@pytest_twisted.ensureDeferred
async def test_an_entry_of_another_program_does_not_hide_the_notices_after_it(server, engines):
    engine = await engines.up(server.port)
    heard = []
    engine.listen("a", heard.append)
    await engine.renew("a")
    await until(lambda: engine._hearing._read_to)
    server("XADD", "tessel:notices", "*", "what", "is this")
    await engine.publish(TokensRevoked("shop"))
    assert heard == [TokensRevoked("shop")]
