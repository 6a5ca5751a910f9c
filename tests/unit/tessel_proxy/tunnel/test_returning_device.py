"""A device that comes back over a new tunnel while the proxy still has its older one."""

import pytest
from twisted.internet.defer import succeed

from streamplex import Side
from streamplex.messages import MAX_CHANNEL
from streamplex.tx import TunnelProtocol
from support.memory_tunnels import Connection, Listener
from support.proxy_in_memory import Stage
from tessel_proxy.auth import Account
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.tunnel.session import Session


class ByToken:
    """An authenticator to which every token is the account of that name."""

    def check(self, token):
        return succeed(Account(token))


class Arrival:
    """One more tunnel to the proxy of a stage."""

    def __init__(self, stage, number):
        self.record = TunnelRecord(
            tunnel=number, peer=f"192.0.2.{number}:1", started_at=stage.clock.seconds()
        )
        self.session = Session(stage.shared, self.record)
        self.server = TunnelProtocol(Side.A, self.session, stage.clock)
        self.listener = Listener()
        self.device = TunnelProtocol(Side.B, self.listener, stage.clock)
        self.connection = Connection(self.device, self.server, stage.clock)
        self.session.tunnelSecured()

    def authenticate(self, account, device, *features):
        self.device.message(
            {"token": account, "features": ["device/1", *features], "device": device}
        )
        self.connection.pump()
        return self.listener.messages[-1]["authed"]


@pytest.fixture
def stage():
    """Its own tunnel, number 7, is kim's device `board`."""
    stage = Stage(ByToken(), max_tunnels_per_account=1)
    stage.say({"token": "kim", "features": ["device/1"], "device": "board"})
    assert stage.heard[-1]["authed"] is True
    return stage


def is_cut(stage):
    stage.pump()
    return stage.listener.lost is not None


def test_the_older_tunnel_is_cut_before_the_limit_of_the_account_is_judged(stage, logged):
    newer = Arrival(stage, 8)
    assert newer.authenticate("kim", "board")
    assert is_cut(stage)
    (line,) = logged.named("tunnel_closed")
    assert (line["tunnel"], line["outcome"]) == (7, "replaced")
    assert line["why"] == "the device came back over tunnel 8 of 192.0.2.8:1"
    assert [each.tunnels for each in stage.limits.tallies] == [1]
    assert stage.shared.tunnels.all == {newer.session}


def test_its_substreams_end_with_a_reset_of_their_targets_and_say_why(stage, logged):
    _, target = stage.relay()
    waiting = stage.connect("example.com")
    Arrival(stage, 8).authenticate("kim", "board")
    stage.pump()
    assert target.aborted
    assert waiting.lost
    outcomes = {line["outcome"] for line in logged.named("substream_closed")}
    assert outcomes == {"tunnel_replaced"}
    assert target.lost
    assert [each.substreams for each in stage.limits.tallies] == [0]


def test_it_may_come_back_again_and_again(stage):
    older = stage
    for number in range(8, 20):
        newest = Arrival(stage, number)
        assert newest.authenticate("kim", "board")
        older.connection.pump()
        assert older.listener.lost is not None
        older = newest
    assert stage.shared.tunnels.all == {newest.session}
    newest.connection.cut()  # closing the older ones did not forget it
    assert not stage.shared.tunnels.by_device
    assert [each.tunnels for each in stage.limits.tallies] == [0]


@pytest.mark.parametrize(("pause_s", "warnings"), [(0.2, 3), (61, 0)])
def test_two_devices_that_end_each_others_tunnels_are_warned_of(stage, logged, pause_s, warnings):
    for number in range(8, 13):
        stage.clock.advance(pause_s)
        assert Arrival(stage, number).authenticate("kim", "board")
    found = logged.named("device_name_shared")
    assert len(found) == warnings
    for line in found:
        assert (line["account"], line["device"], line["error"]) == ("kim", "board", "TP2031")
        assert "do two devices have the same name (PROXY_DEVICE)?" in line["why"]


@pytest.mark.parametrize(
    ("account", "device"), [("mallory", "board"), ("mallory", "other"), ("kim\x00", "board")]
)
def test_the_name_means_nothing_in_another_account(stage, account, device):
    assert Arrival(stage, 8).authenticate(account, device)
    assert not is_cut(stage)


@pytest.mark.parametrize("device", ["other", "Board", "board ", None, 7, "x" * 65, "a\nb"])
def test_another_name_or_none_is_another_device_and_the_limit_holds(stage, device):
    assert not Arrival(stage, 8).authenticate("kim", device)
    assert not is_cut(stage)


def test_the_name_of_a_device_that_does_not_offer_the_feature_counts_for_nothing(stage):
    newer = Arrival(stage, 8)
    newer.device.message({"token": "kim", "device": "board"})
    newer.connection.pump()
    assert newer.listener.messages == [{"authed": False}]
    assert not is_cut(stage)


def test_a_wrong_token_replaces_nothing(logged):
    stage = Stage(max_tunnels_per_account=1)
    stage.authenticate("device/1", device="board")
    assert not Arrival(stage, 8).authenticate("no such token", "board")
    assert not is_cut(stage)


def test_a_device_that_has_used_all_its_numbers_keeps_the_tunnel_with_its_last_substreams(stage):
    stage.server.core._substreams.peers.open(MAX_CHANNEL - 1)
    assert not Arrival(stage, 8).authenticate("kim", "board")
    assert not is_cut(stage)


def test_numbers_that_may_be_used_again_are_never_used_up():
    stage = Stage(ByToken(), max_tunnels_per_account=1)
    stage.say({"token": "kim", "features": ["device/1", "reuse/1"], "device": "board"})
    stage.server.core._substreams.peers.open(MAX_CHANNEL - 1)
    assert Arrival(stage, 8).authenticate("kim", "board")
    assert is_cut(stage)
