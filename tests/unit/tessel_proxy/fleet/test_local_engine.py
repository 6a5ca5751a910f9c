"""The shared state of workers in the memory of their supervisor."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock

from tessel_proxy.fleet import local, local_devices
from tessel_proxy.fleet.engine import CALL_TIMEOUT_S, Demand, Totals
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.notices import Confirmations, CountAsked, DeviceMoved, TokensRevoked
from tessel_proxy.limits.quota import DAY_S


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(clock):
    return LocalEngine(clock)


def now(coroutine):
    """Return the result of a call that does not wait."""
    results = []
    Deferred.fromCoroutine(coroutine).addCallback(results.append)
    return results[0]


def admit(engine, member, own=0, *, account="kim", device=None, limit=3):
    return now(engine.admit(member, account, device, own, limit))


def tunnels(engine, account="kim"):
    return now(engine.exchange("asks", {account: Demand()}))[account].demand.tunnels


def test_tunnels_of_an_account_are_counted_over_all_members(engine):
    answers = [admit(engine, "a"), admit(engine, "b"), admit(engine, "a", 1), admit(engine, "b", 1)]
    assert [each.granted for each in answers] == [True, True, True, False]
    assert answers[-1].totals == Totals(Demand(tunnels=3), 2)


def test_a_refused_tunnel_is_not_counted(engine):
    admit(engine, "a", 2)
    assert not admit(engine, "b").granted
    assert tunnels(engine) == 3


def test_a_call_may_be_repeated_because_it_says_the_members_own_total(engine):
    admit(engine, "a", 1)
    admit(engine, "a", 1)
    assert tunnels(engine) == 2


def test_accounts_do_not_share_their_limits(engine):
    assert not admit(engine, "a", 3).granted
    assert admit(engine, "a", 0, account="alex").granted


def test_the_counts_of_a_member_that_dies_are_gone(engine):
    admit(engine, "a", 2)
    engine.forget("a")
    assert admit(engine, "b").totals == Totals(Demand(tunnels=1), 1)
    assert now(engine.renew("b")) == ["b"]


def test_an_exchange_sets_demands_and_returns_the_totals_of_the_same_accounts(engine):
    now(engine.exchange("a", {"kim": Demand(1, 2, 3.0, 40.0, 50.0), "alex": Demand(1)}))
    totals = now(engine.exchange("b", {"kim": Demand(1, 1, 1.0, 10.0, 10.0)}))
    assert totals == {"kim": Totals(Demand(2, 3, 4.0, 50.0, 60.0), 2)}


def test_a_demand_of_nothing_takes_the_member_from_the_account(engine):
    now(engine.exchange("a", {"kim": Demand(1)}))
    assert now(engine.exchange("a", {"kim": Demand()})) == {"kim": Totals(Demand(), 0)}
    assert list(engine.accounts()) == []


# --- devices


def test_a_device_that_moves_takes_its_place_along_and_its_former_member_is_notified(engine):
    heard = []
    engine.listen("a", heard.append)
    admit(engine, "a", 2, device="d")
    moved = admit(engine, "b", device="d")
    assert moved.granted
    assert heard == [DeviceMoved("kim", "d", "b")]
    assert tunnels(engine) == 3


def test_a_device_that_moves_where_the_limit_is_exceeded_is_refused(engine):
    admit(engine, "a", 2, device="d")
    assert not admit(engine, "b", 1, device="d", limit=3).granted


def test_arrivals_in_an_exchange_are_reported_to_the_former_member_only(engine):
    heard = {"a": [], "b": [], "c": []}
    for member, lines in heard.items():
        engine.listen(member, lines.append)
    for member in "ab":
        now(engine.exchange(member, {"kim": Demand(1)}, [("kim", "d")]))
    assert heard == {"a": [DeviceMoved("kim", "d", "b")], "b": [], "c": []}


def test_a_device_that_returns_to_its_member_is_no_news(engine):
    heard = []
    engine.listen("a", heard.append)
    for _ in range(2):
        now(engine.exchange("a", {"kim": Demand(1)}, [("kim", "d")]))
    assert heard == []


def test_a_device_of_a_dead_member_moves_silently(engine):
    now(engine.exchange("a", {"kim": Demand(1)}, [("kim", "d")]))
    engine.forget("a")
    assert admit(engine, "b", device="d").totals == Totals(Demand(tunnels=1), 1)


# --- bytes of a day


def test_a_day_is_taken_in_parts_until_it_is_used_up(engine):
    parts = [now(engine.take_bytes("kim", 40, 100)).nbytes for _ in range(4)]
    assert parts == [40, 40, 20, 0]


def test_what_was_taken_survives_the_member(engine):
    now(engine.take_bytes("kim", 100, 100))
    engine.forget("a")
    assert now(engine.take_bytes("kim", 1, 100)).nbytes == 0


def test_a_day_ends_24_hours_after_its_first_byte(engine, clock):
    assert now(engine.take_bytes("kim", 100, 100)).ends_in_s == DAY_S
    clock.advance(DAY_S - 1)
    assert now(engine.take_bytes("kim", 100, 100)).nbytes == 0
    clock.advance(1)
    assert now(engine.take_bytes("kim", 100, 100)).nbytes == 100


def test_what_is_given_back_can_be_taken_again_on_the_same_day_only(engine, clock):
    now(engine.take_bytes("kim", 100, 100))
    now(engine.give_back_bytes("kim", 30))
    assert now(engine.take_bytes("kim", 50, 100)).nbytes == 30
    clock.advance(DAY_S)
    now(engine.give_back_bytes("kim", 30))
    assert now(engine.take_bytes("kim", 500, 100)).nbytes == 100


# --- wrong tokens


def test_wrong_tokens_of_a_source_add_up_and_are_refilled_with_time(clock):
    told = []
    engine = LocalEngine(clock, lambda *what: told.append(what))
    for _ in range(2):
        now(engine.wrong_tokens("192.0.2.1", 1, 10, 100.0))
    assert told == [("192.0.2.1", 1.0), ("192.0.2.1", 2.0)]
    clock.advance(5.0)
    assert now(engine.wrong_tokens("192.0.2.1", 0, 10, 100.0)) == 1.5
    assert now(engine.wrong_tokens("192.0.2.2", 0, 10, 100.0)) == 0.0
    clock.advance(15.0)
    assert now(engine.wrong_tokens("192.0.2.1", 0, 10, 100.0)) == 0.0
    assert len(told) == 2


# --- notices


def test_a_notice_reaches_all_members_and_names_those_that_did_not_hear(engine):
    heard = []
    engine.listen("a", heard.append)
    now(engine.renew("b"))
    assert now(engine.publish(TokensRevoked("kim"))) == Confirmations(("a",), ("b",))
    assert heard == [TokensRevoked("kim")]


def test_a_member_in_another_process_confirms_when_it_has_acted(engine, clock):
    acting = {name: Deferred() for name in ("a", "b", "c")}
    for name, each in acting.items():
        engine.listen(name, lambda _, each=each: each)
    results = []
    Deferred.fromCoroutine(engine.publish(TokensRevoked(None))).addCallback(results.append)
    acting["a"].callback(None)
    acting["b"].errback(ConnectionDone())
    assert results == []
    clock.advance(CALL_TIMEOUT_S)
    assert results[0].confirmed == ("a",)
    assert set(results[0].missing) == {"b", "c"}


def test_a_member_whose_hearer_fails_has_not_heard(engine, logged_failures):
    def fail(_notice):
        raise ZeroDivisionError

    engine.listen("a", fail)
    assert now(engine.publish(TokensRevoked(None))).missing == ("a",)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_device_that_left_its_member_has_no_place_to_take_along(engine):
    admit(engine, "a", device="d")
    now(engine.exchange("a", {"kim": Demand()}))  # it has left
    for own in range(3):
        admit(engine, "b", own)
    assert not admit(engine, "c", device="d").granted


def test_names_of_devices_are_bounded_and_end_with_the_tunnels(engine, monkeypatch):
    monkeypatch.setattr(local_devices, "MAX_DEVICES", 10)
    for number in range(100):
        admit(engine, "a", 1, device=f"device {number}")
    assert len(list(engine._devices.names("kim"))) == 10
    now(engine.exchange("a", {"kim": Demand()}))
    assert len(engine._devices) == 0


def test_the_places_of_a_dead_member_are_free(engine):
    admit(engine, "a", 1, limit=200)
    admit(engine, "b", 1, limit=200)  # with places
    engine.forget("b")
    assert admit(engine, "a", 199, limit=200).granted


def test_an_admission_of_a_member_that_dies_meanwhile_is_refused(engine, clock):
    engine.listen("b", lambda _notice: Deferred())
    now(engine.exchange("b", {"kim": Demand(3)}))
    answers = []
    Deferred.fromCoroutine(engine.admit("a", "kim", None, 0, 3)).addCallback(answers.append)
    engine.forget("a")
    engine.forget("b")
    clock.advance(local.ASK_S)
    assert [each.granted for each in answers] == [False]
    assert now(engine.renew("c")) == ["c"]


def test_an_admission_is_answered_before_its_device_moves_on_to_one_that_waited(engine, clock):
    happened = []
    engine.listen(
        "a", lambda notice: happened.append(notice) if notice != CountAsked("kim") else None
    )
    now(engine.renew("b"))
    engine.listen("hung", lambda _notice: Deferred())
    now(engine.exchange("hung", {"kim": Demand(2)}))
    assert admit(engine, "hung", 2, device="d").granted
    for member in "ab":
        asked = Deferred.fromCoroutine(engine.admit(member, "kim", "e", 0, 3))
        asked.addCallback(lambda answer, member=member: happened.append((member, answer.granted)))
    now(engine.exchange("hung", {"kim": Demand(2)}))
    clock.advance(local.ASK_S)
    assert happened == [("a", True), DeviceMoved("kim", "e", "b"), ("b", True)]
