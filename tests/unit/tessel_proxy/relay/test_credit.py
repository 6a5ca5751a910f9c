"""A device and its targets under credit/1."""

import pytest

from streamplex import Windows
from streamplex.features import CREDIT, HALFCLOSE, REUSE
from streamplex.tx.flow import MAX_WAITING_BYTES
from support.proxy_in_memory import Stage

KIB = 1024
MUCH = 200_000 * KIB
FEATURES = [CREDIT, HALFCLOSE, REUSE]


def with_credit(features=FEATURES, windows=None, **config):
    windows = windows or Windows()
    stage = Stage(**config)
    stage.authenticate(*features, window=windows.first)
    stage.device.enable(features, windows, stage.heard[0]["window"])
    return stage


@pytest.fixture
def stage():
    return with_credit()


def outcome(logged):
    (line,) = logged.named("substream_closed")
    return line["outcome"]


def write_much(transport, nbytes=MUCH):
    """As a program does that heeds nobody's pauses would; and what it costs to note it."""
    piece = bytes(1024 * KIB)
    for _ in range(nbytes // len(piece)):
        transport.write(piece)


def test_a_device_that_offers_it_is_told_the_proxys_window():
    stage = with_credit(substream_window_max=2000)
    assert stage.heard[0]["window"] == 2000
    assert CREDIT in stage.heard[0]["features"]


def test_a_target_that_takes_nothing_costs_its_window_and_holds_up_no_other(stage):
    slow, slow_target = stage.relay()
    other, target = stage.relay()
    slow_target.takes_nothing()
    write_much(slow.transport)
    stage.pump()
    assert stage.connection.ends[1].reading
    assert 0 < stage.session.held_bytes < 256 * KIB
    assert len(slow_target.value()) < 128 * KIB
    for _ in range(100):
        other.transport.write(bytes(100 * KIB))
        stage.pump()
    assert len(target.value()) == 10_000 * KIB
    target.send(b"answer")
    stage.pump()
    assert other.data == b"answer"
    assert stage.session.held_bytes < 256 * KIB


def test_what_it_takes_at_last_is_all_of_it(stage):
    slow, target = stage.relay()
    target.takes_nothing()
    write_much(slow.transport, 10_240 * KIB)
    slow.transport.loseWriteConnection()
    stage.pump()
    target.takes_all()
    stage.pump()
    assert len(target.value()) == 10_240 * KIB
    assert target.ended


def test_a_device_that_reads_nothing_pauses_its_target_and_no_other(stage):
    slow, slow_target = stage.relay()
    other, target = stage.relay()
    slow.transport.pauseProducing()
    sent = 0
    while slow_target.reading:
        slow_target.send(bytes(64 * KIB))
        sent += 64 * KIB
        stage.pump()
    assert sent <= 256 * KIB
    assert stage.session.held_bytes <= MAX_WAITING_BYTES + 64 * KIB
    assert stage.connection.ends[0].reading
    target.send(b"answer")
    stage.pump()
    assert other.data == b"answer"
    slow.transport.resumeProducing()
    stage.pump()
    assert slow_target.reading
    assert len(slow.data) == sent


def test_reset_aborts_the_target_and_is_answered_with_the_end_and_close(stage, logged):
    device, target = stage.relay()
    device.transport.pauseProducing()
    for _ in range(4):
        target.send(bytes(64 * KIB))
    device.transport.reset()
    stage.pump()
    assert target.aborted
    assert device.events[-1] == ("close",)
    assert not stage.server.substreams_in_use
    assert outcome(logged) == "left_by_device"


def test_reset_stops_an_attempt_to_connect(stage, logged):
    device = stage.connect()
    device.transport.reset()
    stage.pump()
    assert stage.dial().stopped
    assert device.events == [("close",)]
    assert outcome(logged) == "left_by_device"


def test_reset_frees_what_a_target_that_is_gone_had_still_to_say():
    # Without halfclose/1 the proxy is done when the target ends.
    stage = with_credit([CREDIT, REUSE])
    device, target = stage.relay()
    device.transport.pauseProducing()
    target.send(bytes(100 * KIB))
    target.end()
    stage.pump()
    assert not stage.server.substreams
    assert stage.session.held_bytes > 30 * KIB
    device.transport.reset()
    stage.pump()
    assert stage.session.held_bytes == 0
    assert device.events[-1] == ("close",)


def test_a_tunnel_is_not_idle_while_something_waits_for_credit():
    stage = with_credit([CREDIT, REUSE])
    device, target = stage.relay()
    device.transport.pauseProducing()
    target.send(bytes(100 * KIB))
    target.end()
    stage.pump()
    stage.session.end_if_idle()
    stage.pump()
    assert stage.listener.lost is None
    device.transport.resumeProducing()
    stage.pump()
    assert len(device.data) == 100 * KIB
    stage.session.end_if_idle()
    stage.pump()
    assert stage.listener.lost


def test_a_substream_that_cannot_be_promised_its_window_is_refused(logged):
    stage = with_credit(tunnel_window_max=64 * KIB)
    stage.connect()
    device = stage.open()
    message = "connect EMFILE: the windows of this tunnel are used up"
    assert device.events == [("error", message), ("close",)]
    assert outcome(logged) == "windows_used_up"


def test_what_is_released_and_waits_for_credit_counts_as_open(logged):
    stage = with_credit([CREDIT, REUSE], max_substreams=1)
    device, target = stage.relay()
    device.transport.pauseProducing()
    target.send(bytes(100 * KIB))
    target.end()
    stage.pump()
    other = stage.open()
    assert other.events[0][1].startswith("connect EMFILE")


def test_more_than_was_granted_costs_the_device_its_tunnel(stage):
    device, _ = stage.relay()
    stage.device.core.scheduler.grant(stage.device.core.stream(device.transport.channel), 1 << 30)
    write_much(device.transport, 1024 * KIB)
    stage.pump()
    assert stage.listener.lost


def test_an_original_device_meets_nothing_of_it():
    stage = Stage()
    stage.authenticate()
    device, target = stage.relay()
    target.takes_nothing()
    write_much(device.transport, 1024 * KIB)
    stage.pump()
    assert stage.heard == [{"authed": True}]
    assert not stage.connection.ends[1].reading  # everyone waits, nothing grows
    assert not device.transport.can_reset


def test_what_targets_that_are_gone_leave_for_a_device_that_does_not_read_counts():
    # Without credit/1 it is TCP that waits: each target leaves a full lane behind.
    stage = Stage(max_substreams=3)
    stage.authenticate()
    stage.connection.ends[0].pauseProducing()
    for number in range(3):
        stage.connect()
        target = stage.dial(number).stands()
        target.send(bytes(256 * KIB))
        target.end()
    stage.pump()
    assert not stage.server.substreams
    assert stage.session.held_bytes > 500 * KIB
    stage.connect()
    assert len(stage.dials) == 3
    stage.connection.ends[0].resumeProducing()
    stage.pump()
    assert stage.session.held_bytes == 0
    assert not stage.server.substreams_in_use
