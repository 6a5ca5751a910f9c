"""The end of a proxy that serves."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.startup.stopping import STOP_GRACE_S
from tessel_proxy.tunnel.drain import CROSSING_S, LOOK_S, RESTART_S, RETURN_MS, Drain
from tessel_proxy.tunnel.shared_state import TunnelRegistry


class Tunnel:
    def __init__(self, tunnels, knows=False, idle=True):
        self._tunnels, self._knows, self.idle = tunnels, knows, idle
        self.after_ms = None
        tunnels.all.add(self)

    def drain(self, after_ms):
        self.after_ms = after_ms
        return self._knows

    @property
    def is_idle(self):
        return self.idle

    def end_if_idle(self):
        if self.idle:
            self._tunnels.all.discard(self)


class Draining:
    def __init__(self, within_s=30, return_s=0):
        self.clock = Clock()
        self.tunnels = TunnelRegistry()
        self.within_s, self.return_s = within_s, return_s
        self.targets_lack = False
        self.drain = Drain(
            self.tunnels, self.clock, lambda low, high: low + high, lambda: self.targets_lack
        )

    def begin(self):
        self.done = Deferred.fromCoroutine(self.drain.run(self.within_s, self.return_s))

    def passes(self, seconds):
        self.clock.pump([LOOK_S] * round(seconds / LOOK_S))


@pytest.fixture
def draining():
    return Draining()


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


def test_with_no_tunnels_there_is_nothing_to_drain(draining, logged):
    draining.begin()
    assert draining.done.called
    assert logged.named("draining") == []


def test_every_tunnel_is_asked_to_go_and_when_to_come_back(draining, logged):
    tunnel = Tunnel(draining.tunnels, knows=True)
    draining.begin()
    assert tunnel.after_ms == sum(RETURN_MS)
    (line,) = logged.named("draining")
    assert (line["tunnels"], line["asked"], line["seconds"]) == (1, 1, 30)


@pytest.mark.parametrize(
    ("return_s", "after_ms"), [(30, 30_000 + sum(RETURN_MS)), (0.5, 500 + sum(RETURN_MS))]
)
def test_it_is_to_come_back_when_the_proxy_is_there_again(return_s, after_ms):
    draining = Draining(return_s=return_s)
    tunnel = Tunnel(draining.tunnels, knows=True)
    draining.begin()
    assert tunnel.after_ms == after_ms


@pytest.mark.parametrize(
    ("busy", "targets_lack", "within_s", "expected_s"),
    [
        (True, False, 30, 30),
        (False, True, 30, 30),
        (False, False, 30, CROSSING_S),  # all will be over then
        (True, False, 0, 0),
        (False, False, 0, 0),
    ],
)
def test_unless_it_is_set_that_is_when_the_next_process_may_listen(
    busy, targets_lack, within_s, expected_s
):
    draining = Draining(within_s, return_s=None)
    draining.targets_lack = targets_lack
    told = Tunnel(draining.tunnels, knows=True)
    Tunnel(draining.tunnels, idle=not busy)
    draining.begin()
    assert told.after_ms == (expected_s + RESTART_S) * 1000 + sum(RETURN_MS)


def test_no_time_is_too_long_for_the_wire():
    draining = Draining(return_s=1e9)
    tunnel = Tunnel(draining.tunnels, knows=True)
    draining.begin()
    assert tunnel.after_ms == 2**31 - 1


def test_an_idle_tunnel_ends_at_once_unless_its_device_may_have_opened_something(draining):
    Tunnel(draining.tunnels)
    told = Tunnel(draining.tunnels, knows=True)
    draining.begin()
    assert draining.tunnels.all == {told}
    draining.passes(CROSSING_S + LOOK_S)
    assert not draining.tunnels.all
    draining.passes(LOOK_S)
    assert draining.done.called


def test_a_busy_tunnel_ends_when_it_is_idle(draining, logged):
    busy = Tunnel(draining.tunnels, idle=False)
    draining.begin()
    draining.passes(10)
    assert not draining.done.called
    busy.idle = True
    draining.passes(2 * LOOK_S)
    assert draining.done.called
    assert logged.named("drained")[0]["left"] == 0


def test_time_is_up_for_those_who_do_not_end(draining, logged):
    Tunnel(draining.tunnels, idle=False)
    draining.begin()
    draining.passes(30 + LOOK_S)
    assert draining.done.called
    assert logged.named("drained")[0]["left"] == 1


def test_without_time_nobody_is_waited_for():
    draining = Draining(within_s=0)
    Tunnel(draining.tunnels, idle=False)
    draining.begin()
    assert draining.done.called


def test_a_target_whose_tunnel_is_gone_has_the_same_time_for_what_it_was_sent(draining):
    draining.targets_lack = True
    draining.begin()
    draining.passes(20)
    assert not draining.done.called
    draining.targets_lack = False
    draining.passes(2 * LOOK_S)
    assert draining.done.called


def test_the_next_process_is_not_expected_before_this_one_has_ended():
    assert RESTART_S >= STOP_GRACE_S


# --- one tunnel's part


def goaways(stage):
    return [call for call in stage.listener.calls if call.startswith("go away")]


def test_a_device_that_knows_the_word_is_notified():
    stage = Stage()
    stage.device.enable({"goaway/1"})
    stage.authenticate("goaway/1")
    assert stage.session.drain(1800) is True
    stage.pump()
    assert goaways(stage) == ["go away after 1800"]


def test_a_device_that_does_not_gets_nothing():
    stage = Stage()
    stage.authenticate()
    assert stage.session.drain(1800) is False
    stage.pump()
    assert goaways(stage) == []
    assert stage.listener.lost is None


def test_a_tunnel_without_a_right_token_ends_at_once():
    stage = Stage()
    assert stage.session.drain(1800) is False
    stage.pump()
    assert stage.listener.lost is not None


def test_a_tunnel_ends_with_its_last_substream():
    stage = Stage()
    stage.authenticate()
    protocol, target = stage.relay()
    stage.session.drain(0)
    stage.session.end_if_idle()
    target.send(b"the rest")
    stage.pump()
    assert protocol.data == b"the rest"
    target.end()
    stage.pump()
    stage.session.end_if_idle()
    stage.pump()
    assert ("close",) in protocol.events
    assert stage.listener.lost is not None


def test_while_it_drains_a_device_that_was_not_asked_to_leave_is_still_served():
    stage = Stage()
    stage.authenticate()
    _protocol, first = stage.relay()
    stage.session.drain(0)
    second, target = stage.relay()
    target.send(b"hello")
    stage.pump()
    assert second.data == b"hello"
    assert not first.aborted


@pytest.mark.parametrize("knows", [True, False])
def test_where_others_serve_already_no_tunnel_ends_in_the_first_seconds(draining, knows):
    Tunnel(draining.tunnels, knows=knows)
    done = Deferred.fromCoroutine(draining.drain.run(30, 0.0, idle_s=5.0))
    draining.passes(5.0 - LOOK_S)
    assert draining.tunnels.all
    draining.passes(3 * LOOK_S)
    assert not draining.tunnels.all
    assert done.called
