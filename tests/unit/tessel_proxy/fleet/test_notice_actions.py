"""What a process does about notices of the engine."""

import pytest

from tessel_proxy.fleet.notice_actions import MAX_FIRST, NoticeActions
from tessel_proxy.fleet.notices import (
    DeviceMoved,
    RuleAdded,
    RuleRemoved,
    TokensRevoked,
    TunnelsEnded,
)
from tessel_proxy.operations import Refusing, Rule
from tessel_proxy.tunnel.shared_state import DeviceKey, TunnelRegistry

NOW = 1_800_000_000.0


class Tunnel:
    peer = "192.0.2.9:4711"

    def __init__(self, account, device="", age_s=60.0):
        self.owner = account and DeviceKey(account, device)
        self.age_s = age_s
        self.said = []

    def move_away(self, member):
        self.said.append(f"moved to {member}")

    def check_again(self):
        self.said.append("checked")

    def check_in_turn(self):
        self.said.append("checked in turn")

    def dismiss(self, said, outcome):
        self.said.append((said.reason.value, said.message, outcome.value))


@pytest.fixture
def tunnels():
    return {
        "kim's": Tunnel("kim"),
        "kim's d": Tunnel("kim", "d"),
        "alex's d": Tunnel("alex", "d"),
        "nobody's": Tunnel(None),
    }


@pytest.fixture
def hear(tunnels):
    """Hear a notice; return what the tunnels were told."""
    registry = TunnelRegistry(all=set(tunnels.values()))
    for each in tunnels.values():
        if each.owner and each.owner.name:
            registry.by_device[each.owner] = each
    doubts = []
    refusing = Refusing(registry, lambda: NOW)

    def heard(notice):
        assert (
            NoticeActions(registry, lambda: doubts.append(True) or (), refusing).hear(notice)
            is None
        )
        said = {name: each.said for name, each in tunnels.items() if each.said}
        return said, bool(doubts)

    return heard


def test_a_device_that_moved_is_cut_here(hear):
    assert hear(DeviceMoved("kim", "d", "b")) == ({"kim's d": ["moved to b"]}, False)


def test_a_device_that_is_not_here_is_no_error(hear):
    assert hear(DeviceMoved("kim", "other", "b")) == ({}, False)


def test_revoked_tokens_of_an_account_are_checked_again(hear):
    assert hear(TokensRevoked("kim")) == ({"kim's": ["checked"], "kim's d": ["checked"]}, True)


def test_revoked_tokens_may_be_those_of_all_accounts(hear):
    said, _ = hear(TokensRevoked(None))
    assert said == {name: ["checked in turn"] for name in ("kim's", "kim's d", "alex's d")}


@pytest.mark.parametrize(
    ("others", "how"), [(MAX_FIRST - 1, "checked"), (MAX_FIRST, "checked in turn")]
)
def test_the_tokens_of_many_accounts_are_checked_in_turn(tunnels, others, how):
    registry = TunnelRegistry(all=set(tunnels.values()))
    actions = NoticeActions(registry, list, Refusing(registry, lambda: NOW))
    actions.check_accounts({"alex", *map(str, range(others))})
    assert {name: each.said for name, each in tunnels.items() if each.said} == {"alex's d": [how]}


def test_the_tunnels_of_an_account_or_of_one_device_are_ended(hear, tunnels):
    ended = ("ended", "maintenance", "ended_by_operator")
    assert hear(TunnelsEnded("kim", "d", "maintenance"))[0] == {"kim's d": [ended]}
    assert hear(TunnelsEnded("alex"))[0] == {
        "kim's d": [ended],
        "alex's d": [("ended", "", "ended_by_operator")],
    }


def test_a_command_that_is_heard_late_ends_no_tunnel_that_was_opened_after_it(hear, tunnels):
    tunnels["kim's"].age_s = 599.0
    tunnels["kim's d"].age_s = 601.0
    assert set(hear(TunnelsEnded("kim", age_s=600.0))[0]) == {"kim's d"}


def test_a_rule_ends_tunnels_until_it_is_removed(hear):
    rule = Rule.made(account="kim", reason="abuse", by="token", now=NOW)
    refused = ("refused", "abuse", "refused_by_operator")
    assert hear(RuleAdded(rule))[0] == {"kim's": [refused], "kim's d": [refused]}
    assert hear(RuleRemoved(rule.id))[0] == {"kim's": [refused], "kim's d": [refused]}


def test_tokens_are_checked_but_not_confirmed_if_their_file_cannot_be_read(tunnels):
    registry = TunnelRegistry(all=set(tunnels.values()))
    failures = []
    done = NoticeActions(registry, lambda: ["AUTH_FILE"], Refusing(registry, lambda: NOW)).hear(
        TokensRevoked("kim")
    )
    done.addErrback(failures.append)
    assert str(failures[0].value) == "cannot be read: AUTH_FILE"
    assert tunnels["kim's"].said == ["checked"]
