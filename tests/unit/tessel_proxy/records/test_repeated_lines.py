"""Identical lines: the first at once, the others as one."""

import pytest
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.records.accounting import NoWitness, TunnelRecord, log_refused
from tessel_proxy.records.ends import Refusal, TunnelOutcome
from tessel_proxy.records.repeated_lines import INTERVAL_S, MAX_ALIKE, OTHERS, RepeatedLines


class Scene:
    def __init__(self, logged):
        self.clock = Clock()
        self.lines = RepeatedLines(self.clock)
        self._logged = logged

    def refuse(self, times=1, peer="192.0.2.9:4711", why=Refusal.TOO_MANY_TUNNELS):
        for _ in range(times):
            log_refused(peer, why, NoWitness(), self.lines)

    def close(self, outcome, why="", **record):
        made = TunnelRecord(
            tunnel=1, peer="192.0.2.9:4711", started_at=0, lines=self.lines, **record
        )
        made.log_closed(1.0, outcome, why)

    @property
    def told(self):
        """Each line's peer and the number of lines that it stands for."""
        lines = [*self._logged.named("tunnel_refused"), *self._logged.named("tunnel_closed")]
        return [(line["peer"], line.get("count", 1)) for line in lines]


@pytest.fixture
def scene():
    with LoggedEvents() as logged:
        yield Scene(logged)


def test_the_first_is_told_at_once_and_the_others_of_the_interval_as_one(scene):
    scene.refuse(5)
    assert scene.told == [("192.0.2.9:4711", 1)]
    scene.clock.advance(INTERVAL_S)
    assert scene.told == [("192.0.2.9:4711", 1), ("192.0.2.9", 4)]


def test_a_storm_costs_one_line_in_each_further_interval(scene):
    for _ in range(10):
        scene.refuse(100)
        scene.clock.advance(INTERVAL_S / 2)
    scene.clock.advance(INTERVAL_S)
    assert sum(count for _peer, count in scene.told) == 1000
    assert len(scene.told) == 1 + 5


def test_what_is_not_repeated_costs_no_timer_and_is_forgotten(scene):
    scene.refuse()
    assert scene.clock.getDelayedCalls() == []
    scene.clock.advance(INTERVAL_S)
    scene.refuse()
    assert scene.told == [("192.0.2.9:4711", 1)] * 2
    assert len(scene.lines._intervals) == 1


def test_after_a_quiet_interval_the_first_is_told_again(scene):
    scene.refuse(2)
    scene.clock.advance(INTERVAL_S)
    scene.clock.advance(INTERVAL_S)
    scene.refuse()
    assert [count for _peer, count in scene.told] == [1, 1, 1]
    assert scene.told[-1][0] == "192.0.2.9:4711"


def test_other_addresses_and_other_reasons_are_not_identical_but_other_ports_are(scene):
    scene.refuse()
    scene.refuse(peer="192.0.2.9:5")
    scene.refuse(peer="192.0.2.8:5")
    scene.refuse(why=Refusal.MEMORY_FULL)
    assert len(scene.told) == 3


def test_ipv6_addresses_of_one_network_are_one(scene):
    scene.refuse(peer="[2001:db8::1]:5")
    scene.refuse(peer="[2001:db8::2]:5")
    scene.clock.advance(INTERVAL_S)
    assert scene.told == [("[2001:db8::1]:5", 1), ("2001:db8::/64", 1)]


def test_a_storm_from_many_addresses_shares_a_line(scene):
    for number in range(1000):
        scene.refuse(peer=f"10.0.{number // 256}.{number % 256}:1")
    scene.clock.advance(INTERVAL_S)
    assert scene.told[MAX_ALIKE:] == [(OTHERS, 1000 - MAX_ALIKE)]
    assert len(scene.lines._intervals) <= MAX_ALIKE + 1


def test_a_flush_tells_what_was_not_told(scene):
    scene.refuse(3)
    scene.lines.flush()
    assert [count for _peer, count in scene.told] == [1, 2]
    assert scene.clock.getDelayedCalls() == []


def test_a_sum_says_what_its_lines_said(scene):
    scene.refuse(2)
    scene.clock.advance(INTERVAL_S)
    first, total = scene._logged.named("tunnel_refused")
    for field in ("log_level", "event", "why", "error"):
        assert first[field] == total[field]


@pytest.mark.parametrize(
    ("outcome", "record"),
    [
        (TunnelOutcome.HANDSHAKE_FAILED, {}),
        (TunnelOutcome.AUTH_TIMEOUT, {}),
        (TunnelOutcome.PROTOCOL_FAULT, {}),
        (TunnelOutcome.TOO_MANY_TUNNELS_OF_ACCOUNT, {"account": "kim"}),
    ],
)
def test_tunnels_that_came_to_nothing_are_summed_up(scene, outcome, record):
    for _ in range(3):
        scene.close(outcome, "why", **record)
    scene.lines.flush()
    first, total = scene._logged.named("tunnel_closed")
    assert total["count"] == 2
    for field in ("log_level", "outcome", "error"):
        assert first[field] == total[field]


def test_tunnels_of_accounts_have_a_line_each(scene):
    for _ in range(3):
        scene.close(TunnelOutcome.ENDED, account="kim")
    assert len(scene.told) == 3


def test_what_failed_for_another_reason_is_told(scene):
    scene.close(TunnelOutcome.HANDSHAKE_FAILED, "no shared cipher")
    scene.close(TunnelOutcome.HANDSHAKE_FAILED, "http request")
    assert len(scene.told) == 2
