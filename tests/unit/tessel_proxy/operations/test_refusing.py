"""The operator's rules on tunnels: those that would open, and those that are open."""

import time

import pytest
from twisted.internet.defer import Deferred

from streamplex.conversation import Reason, Refused
from support.proxy_in_memory import KIM, LoggedEvents, Says, Stage
from tessel_proxy.operations import MAX_RULES, Refusing, Rule
from tessel_proxy.records.ends import TunnelOutcome
from tessel_proxy.tunnel.shared_state import DeviceKey, TunnelRegistry

NOW = 1_800_000_000.0
FEATURES = ["retry/1", "reason/1", "message/1", "device/1"]
TOLD = {"authed": False, "retry": True, "reason": "refused", "message": "too much traffic"}


def rule(**arguments):
    return Rule.made(**{"reason": "too much traffic", "by": "token", "now": NOW} | arguments)


class Wall:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


class Tunnel:
    def __init__(self, account=None, device="", peer="192.0.2.9:4711"):
        self.owner = account and DeviceKey(account, device)
        self.peer = peer
        self.said = []

    def dismiss(self, said, outcome):
        self.said.append((said, outcome))


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def stage(wall):
    """A tunnel of account "hardcoded", whose peer is 192.0.2.9."""
    stage = Stage()
    stage.refusing = Refusing(stage.shared.tunnels, wall)
    object.__setattr__(stage.shared, "refusals", stage.refusing)
    return stage


def told(stage):
    return {name: value for name, value in stage.heard[-1].items() if name != "features"}


@pytest.mark.parametrize(
    "subject",
    [
        {"account": "hardcoded"},
        {"account": "hardcoded", "device": "kitchen"},
        {"address": "192.0.2.0/24"},
    ],
)
def test_an_open_tunnel_is_ended_and_its_device_learns_why_and_for_how_long(stage, subject):
    stage.authenticate(*FEATURES, device="kitchen")
    with LoggedEvents() as logged:
        assert stage.refusing.add(rule(**subject, until_at=NOW + 90)) == 1
        stage.pump()
    assert told(stage) == TOLD | {"retry_after_ms": 90_000}
    (line,) = logged.named("tunnel_closed")
    assert (line["outcome"], line["error"]) == ("refused_by_operator", "TP2033")


def test_a_device_without_features_hears_what_it_always_heard(stage):
    stage.authenticate()
    stage.refusing.add(rule(account="hardcoded"))
    stage.pump()
    assert stage.heard[-1] == {"authed": False}


def test_a_rule_without_an_end_asks_the_device_not_to_try_again(stage):
    stage.authenticate(*FEATURES)
    stage.refusing.add(rule(account="hardcoded"))
    stage.pump()
    assert told(stage) == TOLD | {"retry": False}


@pytest.mark.parametrize(
    "subject",
    [
        {"account": "other"},
        {"account": "hardcoded", "device": "garden"},
        {"address": "192.0.2.10"},
    ],
)
def test_other_tunnels_stay(stage, subject):
    stage.authenticate(*FEATURES, device="kitchen")
    assert stage.refusing.add(rule(**subject)) == 0
    _, target = stage.relay()
    assert not target.aborted


def test_a_device_that_is_refused_is_notified_when_its_token_was_accepted(stage):
    stage.refusing.add(rule(account="hardcoded", until_at=NOW + 90))
    with LoggedEvents() as logged:
        stage.authenticate(*FEATURES, device="kitchen")
    assert told(stage) == TOLD | {"retry_after_ms": 90_000}
    assert not stage.shared.tunnels.all
    assert stage.limits.by_account == {}
    (line,) = logged.named("tunnel_refused")
    assert (line["error"], line["why"]) == ("TP2033", "refused by the operator")


def test_a_wrong_token_learns_nothing_of_the_rules(stage):
    stage.refusing.add(rule(account="hardcoded"))
    stage.say({"token": "WRONG", "features": FEATURES})
    assert stage.heard[-1]["reason"] == "wrong_token"


def test_a_rule_that_comes_while_the_token_is_checked_counts():
    answer = Deferred()
    stage = Stage(authenticator=Says(answer))
    refusing = Refusing(stage.shared.tunnels, lambda: NOW)
    object.__setattr__(stage.shared, "refusals", refusing)
    stage.authenticate(*FEATURES)
    assert refusing.add(rule(account="kim")) == 0
    answer.callback(KIM)
    stage.pump()
    assert stage.heard[-1]["reason"] == "refused"


def test_after_the_rule_ends_or_is_removed_the_device_may_connect(stage, wall):
    first = rule(account="hardcoded", until_at=NOW + 90)
    stage.refusing.add(first)
    stage.refusing.add(second := rule(address="192.0.2.10"))
    wall.now += 90
    assert stage.refusing.of_owner("hardcoded", None) is None
    assert stage.refusing.rules() == [second]
    stage.refusing.remove(second.id)
    assert not stage.refusing.of_address("192.0.2.10")
    stage.authenticate()
    assert stage.heard == [{"authed": True}]


@pytest.mark.parametrize(
    ("tunnel", "ends"),
    [
        (Tunnel(peer="10.0.0.5:1"), True),  # without a token
        (Tunnel("kim", peer="[2001:db8::5]:1"), True),
        (Tunnel("kim", peer="10.0.0.50:1"), False),
        (Tunnel("kim", peer=""), False),
    ],
)
def test_an_address_ends_its_tunnels_with_or_without_a_token(tunnel, ends):
    refusing = Refusing(TunnelRegistry(all={tunnel}), lambda: NOW)
    refusing.add(rule(address="10.0.0.5"))
    refusing.add(rule(address="2001:db8::/64"))
    outcomes = [outcome for _, outcome in tunnel.said]
    assert outcomes == ([TunnelOutcome.REFUSED_BY_OPERATOR] if ends else [])


def test_a_rule_that_has_ended_on_its_way_ends_nothing():
    tunnel = Tunnel("kim")
    refusing = Refusing(TunnelRegistry(all={tunnel}), lambda: NOW + 90)
    assert refusing.add(rule(account="kim", until_at=NOW + 90)) == 0
    assert (tunnel.said, list(refusing.rules())) == ([], [])


def test_how_many_tunnels_a_rule_has_ended_is_known_while_it_is_in_force(wall):
    refusing = Refusing(TunnelRegistry(all={Tunnel("kim"), Tunnel("kim", "d")}), wall)
    refusing.add(first := rule(account="kim", until_at=NOW + 90))
    refusing.add(second := rule(address="192.0.2.9"))
    assert (refusing.ended_by(first.id), refusing.ended_by(second.id)) == (2, 2)
    refusing.remove(second.id)
    wall.now += 90
    refusing.rules()
    assert (refusing.ended_by(first.id), refusing.ended_by(second.id)) == (0, 0)
    assert refusing._ended == {}


def test_a_whole_list_replaces_what_was_known_and_ends_only_for_what_is_new(wall):
    kim, alex = Tunnel("kim"), Tunnel("alex")
    refusing = Refusing(TunnelRegistry(all={kim, alex}), wall)
    old, kept = rule(account="old"), rule(account="kim")
    for each in (old, kept):
        refusing.add(each)
    refusing.replace([kept, new := rule(account="alex")])
    assert {each.id for each in refusing.rules()} == {kept.id, new.id}
    assert (len(kim.said), len(alex.said)) == (1, 1)
    assert alex.said[0][0] == Refused(Reason.REFUSED, False, "too much traffic")


def test_a_full_list_that_another_host_has_made_is_taken_over_in_little_time(wall):
    refusing = Refusing(TunnelRegistry(), wall)
    rules = [rule(account=str(number), until_at=NOW + 1) for number in range(MAX_RULES)]
    began = time.process_time()
    refusing.replace(rules)
    assert time.process_time() - began < 2  # with a search for each of them: 10 s
    assert len(refusing.rules()) == MAX_RULES


def test_a_full_list_takes_a_new_rule_when_others_have_ended(wall):
    refusing = Refusing(TunnelRegistry(), wall)
    for number in range(MAX_RULES):
        refusing.add(rule(account=str(number), until_at=NOW + 1))
    wall.now += 1
    refusing.add(rule(account="new"))
    assert [each.account for each in refusing.rules()] == ["new"]
