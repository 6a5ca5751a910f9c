"""The operator's rules on one host: changed by commands, told to processes, kept."""

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.host_keeping import HostKeeping
from tessel_proxy.fleet.host_metrics import HostCollector
from tessel_proxy.fleet.host_refusals import HostRefusals
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.notices import Confirmations, RuleAdded, RuleRemoved, TokensRevoked
from tessel_proxy.fleet.wire import PAGE_BYTES, answer, dumped, load_rules
from tessel_proxy.operations import RefusalsError, Rule, Spread, TooManyRulesError
from tessel_proxy.operations.refusals_file import KeptRules

NOW = 1_800_000_000.0


def rule(**arguments):
    return Rule.made(**{"reason": "abuse", "by": "token", "now": NOW} | arguments)


def result(coroutine):
    results = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    (found,) = results
    if hasattr(found, "raiseException"):
        found.raiseException()
    return found


class Host:
    def __init__(self, kept=(), **more):
        self.told = []
        self.fault = None
        self.now = NOW
        self.refusals = HostRefusals(
            self.publish,
            MemoryReactorClock(),
            lambda: self.now,
            KeptRules(kept),
            **{"is_shared": False} | more,
        )

    async def publish(self, notice):
        self.told.append(notice)
        if self.fault:
            raise self.fault
        return Confirmations(("a",), ("b",))


@pytest.fixture
def host():
    return Host()


def test_a_rule_is_reported_to_all_processes_and_removed_again(host):
    first = rule(account="kim")
    assert result(host.refusals.refuse(first)) == Spread(("a",), ("b",), kept=False)
    assert host.refusals.rules() == [first]
    assert result(host.refusals.allow(first.id)) == Spread(("a",), ("b",), kept=False)
    assert host.told == [RuleAdded(first), RuleRemoved(first.id)]
    assert host.refusals.rules() == []


def test_what_an_engine_keeps_outlives_the_process():
    host = Host(is_shared=True)
    assert result(host.refusals.refuse(rule(account="kim"))).kept


def test_a_rule_that_is_not_there_cannot_be_removed(host):
    assert result(host.refusals.allow("0" * 16)) is None
    assert host.told == []


def test_without_the_engine_nothing_is_changed():
    kept = rule(account="kim", reason="first")
    host = Host([kept])
    host.fault = EngineError("no connection")
    for change in (
        host.refusals.refuse(rule(account="kim", reason="second")),
        host.refusals.refuse(rule(account="alex")),
        host.refusals.allow(kept.id),
    ):
        with pytest.raises(RefusalsError, match="nothing was changed: no connection"):
            result(change)
    assert host.refusals.rules() == [kept]


def test_a_published_rule_is_kept_and_other_notices_pass(host):
    first = rule(account="kim")
    for notice in (RuleAdded(first), TokensRevoked(None)):
        assert result(host.refusals.publish(notice)) == Confirmations(("a",), ("b",))
    assert host.refusals.rules() == [first]
    assert result(host.refusals.publish(RuleRemoved("0" * 16))) == Confirmations((), ())
    host.fault = EngineError("no connection")
    with pytest.raises(EngineError, match="nothing was changed"):
        result(host.refusals.publish(RuleRemoved(first.id)))


def test_too_many_rules_are_reported_to_nobody(host, monkeypatch):
    monkeypatch.setattr("tessel_proxy.operations.refusal_list.MAX_RULES", 1)
    result(host.refusals.refuse(rule(account="kim", until_at=NOW + 1)))
    with pytest.raises(TooManyRulesError):
        result(host.refusals.refuse(rule(account="alex")))
    assert len(host.told) == 1
    host.now += 1
    result(host.refusals.refuse(rule(account="alex")))


def test_notices_of_others_are_followed(host):
    first = rule(account="kim")
    host.refusals.heard(RuleAdded(first))
    host.refusals.heard(TokensRevoked(None))
    assert host.refusals.rules() == [first]
    host.refusals.heard(RuleRemoved(first.id))
    host.refusals.heard(RuleRemoved(first.id))
    assert host.refusals.rules() == []


def test_the_engines_rules_replace_the_copy_and_members_hear_the_difference():
    gone, kept, changed = rule(account="gone"), rule(account="kept"), rule(account="changed")
    host = Host([gone, kept, changed])
    later = rule(account="changed", reason="more abuse")
    ended = rule(account="ended", until_at=NOW + 1)
    host.now += 1
    notices = host.refusals.follow([kept, later, ended, new := rule(account="new")])
    assert set(notices) == {RuleRemoved(gone.id), RuleAdded(later), RuleAdded(new)}
    assert {each.id for each in host.refusals.rules()} == {kept.id, later.id, new.id}
    assert host.refusals.follow(host.refusals.rules()) == []


def test_a_worker_gets_all_rules_in_pages_that_amp_carries(host):
    longest = "\N{OLD PERSIAN SIGN A}"
    rules = [rule(account=f"{longest * 250}{n}", reason=longest * 200) for n in range(100)]
    engine = LocalEngine(MemoryReactorClock())
    engine.kept = Host(rules).refusals
    found, last = [], ""
    while page := result(answer(engine, "worker", "rules_after", [last])):
        assert len(dumped(page)) < PAGE_BYTES + 8 * 1024
        found += load_rules(json.loads(dumped(page)))
        last = found[-1].id
    assert found == engine.kept.rules()
    assert len(found) == 100


def test_a_page_holds_one_rule_at_least(host, monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.wire.PAGE_BYTES", 1)
    engine = LocalEngine(MemoryReactorClock())
    engine.kept = Host([rule(account="a"), rule(account="b")]).refusals
    assert len(result(answer(engine, "worker", "rules_after", [""]))) == 1


def test_the_metrics_count_the_rules_in_force():
    host = Host([rule(account="a"), rule(account="b", until_at=NOW + 1)])
    host.now += 1
    samples = {
        each.name: each.value
        for family in HostCollector(HostKeeping(host.refusals, None)).collect()
        for each in family.samples
    }
    assert samples == {
        "tessel_proxy_refusal_rules": 1,
        "tessel_proxy_refusals_file_failures_total": 0,
        "tessel_proxy_usage_failures_total": 0,
    }
