"""Calls of the engine as JSON, between a worker's RemoteEngine and the supervisor's engine."""

import json

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock

from tessel_proxy.fleet.engine import CALL_TIMEOUT_S, Admission, Demand, EngineError, Slice, Totals
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.notices import (
    Confirmations,
    CountAsked,
    DeviceMoved,
    TokensRevoked,
    TunnelsEnded,
)
from tessel_proxy.fleet.remote import ACCOUNTS_PER_CALL, RemoteEngine
from tessel_proxy.fleet.wire import answer, dump_notice, dumped, load_notice
from tessel_proxy.limits.quota import DAY_S

AMP_BYTES = 0xFFFF


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def local(clock):
    return LocalEngine(clock)


@pytest.fixture
def calls():
    return []


@pytest.fixture
def remote(local, clock, calls):
    def call(method, values):
        calls.append(method)
        assert len(values) <= AMP_BYTES
        done = Deferred.fromCoroutine(answer(local, "a", method, json.loads(values)))
        return done.addCallback(dumped)

    return RemoteEngine(call, clock)


def now(coroutine):
    results = []
    Deferred.fromCoroutine(coroutine).addCallback(results.append)
    return results[0]


def failure_of(coroutine):
    results = []
    Deferred.fromCoroutine(coroutine).addErrback(results.append)
    return results[0].value


def test_each_method_has_the_result_of_the_engine_behind_it(remote):
    totals = Totals(Demand(1), 1)
    assert now(remote.admit("a", "kim", "d", 0, 5)) == Admission(True, totals)
    assert now(remote.exchange("a", {"kim": Demand(1)}, [("kim", "d")])) == {"kim": totals}
    assert now(remote.take_bytes("kim", 10, 100)) == Slice(10, DAY_S)
    assert now(remote.give_back_bytes("kim", 10)) is None
    assert now(remote.take_bytes("kim", 500, 100)) == Slice(100, DAY_S)
    assert now(remote.wrong_tokens("192.0.2.1", 1, 50, 600.0)) == 1.0
    assert now(remote.renew("a")) == ["a"]
    assert now(remote.publish(TokensRevoked(None))) == Confirmations((), ("a",))
    assert now(remote.leave("a")) is None
    assert now(remote.renew("a")) == ["a"]


def test_many_accounts_and_arrivals_take_several_calls(remote, calls, local):
    demands = {f"{number:03} {'n' * 200}": Demand(1) for number in range(2 * ACCOUNTS_PER_CALL)}
    arrived = [(account, "d") for account in demands]
    totals = now(remote.exchange("a", demands, [*arrived, *((each, "e") for each, _ in arrived)]))
    assert totals == dict.fromkeys(demands, Totals(Demand(1), 1))
    assert calls == ["exchange"] * 5  # the arrivals come after all demands
    assert len(local._devices) == len(demands)
    assert set(local._devices.names(arrived[0][0])) == {"d", "e"}


def test_a_call_without_an_answer_fails_after_its_deadline(clock):
    remote = RemoteEngine(lambda *_: Deferred(), clock)
    failures = []
    Deferred.fromCoroutine(remote.renew("a")).addErrback(failures.append)
    clock.advance(CALL_TIMEOUT_S)
    assert failures[0].check(EngineError)


def test_a_call_over_a_lost_connection_fails_at_once(clock):
    remote = RemoteEngine(lambda *_: fail(ConnectionDone()), clock)
    assert isinstance(failure_of(remote.renew("a")), EngineError)


def test_to_read_wrong_tokens_makes_no_call_but_uses_what_the_supervisor_reported(
    remote, calls, clock
):
    assert now(remote.wrong_tokens("192.0.2.1", 0, 10, 100.0)) == 0.0
    remote.guessed("192.0.2.1", 3.0)
    clock.advance(10.0)
    assert now(remote.wrong_tokens("192.0.2.1", 0, 10, 100.0)) == 2.0
    clock.advance(90.0)
    assert now(remote.wrong_tokens("192.0.2.1", 0, 10, 100.0)) == 0.0
    assert calls == []


@pytest.mark.parametrize(
    "notice",
    [
        DeviceMoved("kim", "d\u00e9", "host/1.2"),
        TokensRevoked(None),
        TokensRevoked("kim"),
        CountAsked("kim"),
        TunnelsEnded("kim"),
        TunnelsEnded("kim", "d"),
    ],
)
def test_a_notice_is_the_same_after_the_wire(notice):
    assert load_notice(dump_notice(notice)) == notice


def test_an_unknown_method_is_an_error_of_the_engine(local):
    assert isinstance(failure_of(answer(local, "a", "newer", [])), EngineError)
