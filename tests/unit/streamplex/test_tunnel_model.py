"""Two tunnels back to back: whatever is said, in whatever pieces it travels, is heard."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from streamplex import ChannelsExhaustedError, Side, TunnelCore
from streamplex.events import (
    CustomReceived,
    DataReceived,
    MessageReceived,
    StreamEnded,
    StreamFailed,
    StreamOpened,
)
from streamplex.features import REUSE
from streamplex.testing import bytes_of

sides = st.sampled_from(Side)


class Story:
    """What one side has said on a substream, or what the other has heard of it."""

    def __init__(self):
        self.data = bytearray()
        self.events = []  # with the bytes of data that came before each

    def add(self, *event):
        self.events.append((len(self.data), *event))

    def begins(self, other):
        return other.data.startswith(self.data) and (
            other.events[: len(self.events)] == self.events
        )

    def __eq__(self, other):
        return (self.data, self.events) == (other.data, other.events)

    __hash__ = None


class BackToBack(RuleBasedStateMachine):
    @initialize(few=st.booleans())
    def begin(self, few):
        self.tunnels = {side: TunnelCore(side) for side in Side}
        self.wire = {side: bytearray() for side in Side}  # what this side has sent
        self.open = {side: set() for side in Side}  # not released by this side
        self.told = defaultdict(Story)  # by (side that says it, channel); 0 is the control channel
        self.heard = defaultdict(Story)
        for side, tunnel in self.tunnels.items():
            tunnel.enable([REUSE])
            if few:
                tunnel._substreams.own._next = 65_532 + side.value  # two are left, or one
                self.tunnels[side.other]._substreams.peers._highest = (
                    tunnel._substreams.own._next - 2
                )

    def _channels(self, side, *, ended):
        return [
            channel
            for channel in sorted(self.open[side])
            if self.tunnels[side].stream(channel).state.local_ended is ended
        ]

    def _choose(self, draw, side, *, ended=False):
        channels = self._channels(side, ended=ended)
        return draw.draw(st.sampled_from(channels)) if channels else None

    @rule(side=sides, name=st.none() | st.text(max_size=5))
    def open_one(self, side, name):
        try:
            channel = self.tunnels[side].open(name)
        except ChannelsExhaustedError:
            return
        for way in ((side, channel), (side.other, channel)):
            self.told.pop(way, None)
            self.heard.pop(way, None)
        self.open[side].add(channel)
        self.told[side, 0].add("opened", channel, name)

    @rule(side=sides, value=st.integers(0, 99))
    def message(self, side, value):
        self.tunnels[side].message(value)
        self.told[side, 0].add("message", value)

    @rule(draw=st.data(), side=sides, size=st.integers(0, 300) | st.integers(65_000, 140_000))
    def send(self, draw, side, size):
        if channel := self._choose(draw, side):
            data = bytes(n % 251 for n in range(size))
            self.tunnels[side].send(channel, data)
            self.told[side, channel].data += data

    @rule(draw=st.data(), side=sides, name=st.text(max_size=5))
    def emit(self, draw, side, name):
        if channel := self._choose(draw, side, ended=draw.draw(st.booleans())):
            self.tunnels[side].emit(channel, name, 1)
            self.told[side, channel].add("custom", name, (1,))

    @rule(draw=st.data(), side=sides)
    def fail(self, draw, side):
        if channel := self._choose(draw, side):
            self.tunnels[side].fail(channel, "oops")
            self.told[side, channel].add("error", "oops")

    @rule(draw=st.data(), side=sides)
    def end(self, draw, side):
        if channel := self._choose(draw, side):
            self.tunnels[side].end(channel)
            self.told[side, channel].add("end")

    @rule(draw=st.data(), side=sides)
    def release_as_accepter(self, draw, side):
        channel = self._choose(draw, side, ended=True)
        if channel and channel % 2 != side.value % 2:
            self._release(side, channel)

    @rule(draw=st.data(), side=sides)
    def finish_as_opener(self, draw, side):
        channel = draw.draw(st.sampled_from(sorted(self.open[side]) or [None]))
        if channel and channel % 2 == side.value % 2:
            self._carry_all()
            for end in (side, side.other):
                if channel in self._channels(end, ended=False):
                    self.tunnels[end].end(channel)
                    self.told[end, channel].add("end")
            if channel in self.open[side.other]:
                self._release(side.other, channel)
            self._carry_all()
            self._release(side, channel)

    def _release(self, side, channel):
        self.tunnels[side].release(channel)
        self.open[side].remove(channel)

    def _carry_all(self):
        for side in Side:
            self.wire[side] += bytes_of(self.tunnels[side])
            self.carry(side, len(self.wire[side]))

    @rule(side=sides, max_bytes=st.integers(1, 100_000))
    def take(self, side, max_bytes):
        self.wire[side] += bytes_of(self.tunnels[side], max_bytes)

    @rule(side=sides, nbytes=st.integers(1, 20) | st.integers(1000, 100_000))
    def carry(self, side, nbytes):
        piece = bytes(self.wire[side][:nbytes])
        del self.wire[side][:nbytes]
        for event in self.tunnels[side.other].receive(piece):
            self._note(side, event)

    def _note(self, side, event):
        match event:
            case StreamOpened(channel, name):
                self.open[side.other].add(channel)
                self.heard[side, 0].add("opened", channel, name)
            case MessageReceived(value):
                self.heard[side, 0].add("message", value)
            case DataReceived(channel, data):
                self.heard[side, channel].data += data
            case CustomReceived(channel, name, args):
                self.heard[side, channel].add("custom", name, args)
            case StreamFailed(channel, text):
                self.heard[side, channel].add("error", text)
            case StreamEnded(channel):
                self.heard[side, channel].add("end")
            case other:
                raise AssertionError(other)

    @invariant()
    def what_is_heard_was_said_in_that_order(self):
        for way, story in getattr(self, "heard", {}).items():
            assert story.begins(self.told[way])

    def teardown(self):
        if not hasattr(self, "tunnels"):
            return
        self._carry_all()
        for (side, channel), story in self.told.items():
            if channel == 0 or channel in self.open[side.other]:
                assert self.heard[side, channel] == story


def test_what_is_said_is_heard_whatever_is_said_and_however_it_is_cut():
    some = settings(max_examples=150, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(BackToBack, settings=some)
