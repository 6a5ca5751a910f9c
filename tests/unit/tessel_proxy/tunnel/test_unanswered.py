"""Devices whose systems answer nothing any more."""

from twisted.internet.task import Clock

from streamplex.tx import protocol
from streamplex.tx.tcp import Progress
from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.tunnel.shared_state import TunnelRegistry
from tessel_proxy.tunnel.unanswered import LOOKS, UnansweredWatch


def test_a_device_that_is_gone_in_the_middle_of_a_download_is_found(monkeypatch):
    stage = Stage()
    stage.authenticate()
    silent = Progress(received=0, taken=0, under_way=True, since_s=20.0)
    monkeypatch.setattr(protocol, "progress_of", lambda _transport: silent)
    watch = UnansweredWatch(stage.clock, stage.shared.tunnels, 20.0)
    watch.start()
    with LoggedEvents() as logged:
        stage.clock.advance(20 / LOOKS)
        stage.pump()
        (line,) = logged.named("tunnel_closed")
    assert (line["outcome"], line["error"]) == ("silent", "TP2022")
    stage.clock.advance(20 / LOOKS)  # it goes on
    watch.stop()
    watch.stop()
    assert not stage.shared.tunnels.all


def test_without_keepalive_nobody_is_looked_at():
    clock = Clock()
    watch = UnansweredWatch(clock, TunnelRegistry(), 0)
    watch.start()
    watch.stop()
    assert not clock.getDelayedCalls()
