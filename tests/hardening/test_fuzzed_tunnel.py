"""Whatever a device does in whatever order, its tunnel follows the rules of docs/wire.md.

The state machine below is a misbehaving device with a whole proxy in memory. It knows only which
substreams it opened. It checks that each gets one end and one close and nothing afterwards, and
that nothing is left when the tunnel is closed.
"""

import json

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.dialogues import Frame, frames_in
from support.hardening.device import connecting, control, data, end, event, hello, opening
from support.hardening.memory_proxy import MemoryProxy

TOKEN = "DEV-CRED"
FEATURES = ["reuse/1", "halfclose/1", "retry/1", "reason/1", "device/1", "goaway/1", "ping/1"]
CHANNELS = st.sampled_from([2, 4, 6, 8])
ANY_CHANNEL = CHANNELS | st.sampled_from([0, 1, 3, 65_534, 65_535])
ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


class BadManners(RuleBasedStateMachine):
    """Most of its actions follow the protocol, so that a run gets far before one breaks it."""

    @initialize(features=st.lists(st.sampled_from(FEATURES), unique=True) | st.none())
    def connect(self, features):
        self.proxy = MemoryProxy(0)  # with the default limits
        self.tunnel = self.proxy.tunnel()
        self.told = {}  # by channel: the events since it was opened
        self.left_over = b""
        self.reuses = features is not None and "reuse/1" in features
        self.highest = 0
        said = {} if features is None else {"features": features}
        self.say(hello(TOKEN, **said))

    def say(self, data):
        self.tunnel.send(data)
        self.listen()

    def listen(self):
        data = self.left_over + self.tunnel.take()
        frames, left = frames_in(data)
        self.left_over = data[len(data) - left :]
        for frame in frames:
            self.hear(frame)

    def hear(self, frame):
        if frame.channel == 0:
            json.loads(frame.payload)
            return
        assert frame.channel in self.told, "a substream that was never opened"
        events = self.told[frame.channel]
        assert "close" not in events, "something came after the close"
        if frame.is_data:
            assert "end" not in events, "data after the end"
            events.append("data")
        else:
            events.append(name_of(json.loads(frame.payload)))

    @property
    def open(self):
        return sorted(channel for channel, events in self.told.items() if "close" not in events)

    def gone(self):
        return self.tunnel.transport.gone

    # --- what a device may do

    @precondition(lambda self: not self.gone())
    @rule(name=st.sampled_from(["net", "tls", "other"]), port=st.integers(1, 65_535))
    def open_one(self, name, port):
        self.highest += 2
        self.told[self.highest] = []
        self.say(connecting(self.highest, port, "192.0.2.1", name))

    @precondition(lambda self: not self.gone())
    @rule()
    def open_one_that_leads_nowhere_yet(self):
        self.highest += 2
        self.told[self.highest] = []
        self.say(opening(self.highest))

    @precondition(lambda self: not self.gone() and self.open)
    @rule(draw=st.data(), size=st.integers(0, 200) | st.just(65_532), times=st.integers(1, 6))
    def send(self, draw, size, times):
        self.say(data(draw.draw(st.sampled_from(self.open)), bytes(size)) * times)

    @precondition(lambda self: not self.gone() and self.open)
    @rule(draw=st.data())
    def end_one(self, draw):
        self.say(end(draw.draw(st.sampled_from(self.open))))

    @precondition(lambda self: not self.gone() and self.open)
    @rule(draw=st.data(), ms=st.integers(0, 50) | ODD_JSON)
    def set_timeout(self, draw, ms):
        self.say(event(draw.draw(st.sampled_from(self.open)), "_pls_timeout", ms))

    @precondition(lambda self: not self.gone() and self.open)
    @rule(draw=st.data(), args=st.lists(ODD_JSON, max_size=3))
    def connect_anywhere(self, draw, args):
        self.say(event(draw.draw(st.sampled_from(self.open)), "_pls_connect", *args))

    @precondition(lambda self: not self.gone() and self.open)
    @rule(draw=st.data())
    def fail_one(self, draw):
        failed = b'{"event":"error","message":"oops"}'
        self.say(Frame(True, draw.draw(st.sampled_from(self.open)), False, failed).wire)

    @rule(value=ODD_JSON)
    def message(self, value):
        self.say(control(type="message", object=value))

    @rule(kind=st.text(max_size=6), value=ODD_JSON)
    def say_what_nobody_knows(self, kind, value):
        self.say(control(type=f"x{kind}", value=value))

    # --- what the network and time do

    @rule(seconds=st.sampled_from([0, 0.01, 1, 11, 31, 130]))
    def pass_time(self, seconds):
        self.proxy.clock.advance(seconds)
        self.proxy.turns()
        self.listen()

    @rule()
    def the_wire_is_full(self):
        transport = self.tunnel.transport
        if transport.producer and not transport.producer_paused and not self.gone():
            transport.producer_paused = True
            transport.producer.pauseProducing()

    # --- what no device may do: at most one of these in a run gets through

    @rule(channel=ANY_CHANNEL, value=ODD_JSON)
    def say_odd_json(self, channel, value):
        self.say(Frame(True, channel, False, json.dumps(value).encode()).wire)

    @rule(data=st.binary(min_size=1, max_size=40), channel=ANY_CHANNEL)
    def say_odd_bytes(self, data, channel):
        self.say(Frame(True, channel, False, data).wire)

    @invariant()
    def each_end_is_told_once(self):
        for events in getattr(self, "told", {}).values():
            assert events.count("end") <= 1
            assert events.count("close") <= 1

    def teardown(self):
        if not hasattr(self, "proxy"):
            return
        self.listen()
        if self.gone():
            assert not self.left_over, "the proxy went inside a frame"
        self.tunnel.close()
        self.proxy.pass_all_time()
        assert self.proxy.is_as_at_first


def name_of(said):
    match said:
        case {"event": "custom", "emitArgs": [str(name), *_]}:
            return name
        case {"event": "error" | "end" as name}:
            return name
        case other:
            raise AssertionError(other)


@pytest.mark.timeout(400)  # so much to do takes long where others work as well
def test_a_misbehaving_device_gets_the_specified_replies_and_leaves_nothing(seed):
    some = settings(max_examples=400, stateful_step_count=30, deadline=None, database=None)
    run_state_machine_as_test(hypothesis.seed(seed)(BadManners), settings=some)
