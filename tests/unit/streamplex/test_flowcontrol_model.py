"""Credit and scheduler joined: two cores, consumers that stall, programs that end and leave.

Whatever happens: what is heard was said, in that order; no credit is invented; one that stalls
holds nobody up; and when all consumers take again, everything arrives.
"""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from streamplex import ChannelsExhaustedError, PromisesExhaustedError, Side, TunnelCore, Windows
from streamplex.events import (
    CustomReceived,
    DataReceived,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
)
from streamplex.features import CREDIT, REUSE
from streamplex.frames import FrameReader
from streamplex.messages import JsonMessage, decode_message
from streamplex.schedule import FAIR_TURN_BYTES

NUMBERS = 6
"""Channels that the device has, so that they are soon used again."""

WINDOWS = [
    Windows(first=1, substream_max=1, tunnel_max=4),
    Windows(first=100, substream_max=800, tunnel_max=1500),
    Windows(first=20_000, substream_max=80_000, tunnel_max=200_000),
]
EVERYTHING = 1 << 30
PERIOD = bytes(range(251))
"""What is sent, again and again: a prime, so that no frame or window is one of it."""


def is_promised(tunnel, channel):
    """Whether there was room for the first window of a substream; without windows there is."""
    window = tunnel.stream(channel).window
    return window is None or window.promised


class Way:
    """One direction of one substream."""

    def __init__(self):
        self.told = bytearray()
        self.heard = bytearray()
        self.consumed = 0
        self.ended = self.end_heard = False
        self.reset = False  # not all need arrive, but the end must, whoever stalls
        self.cut = False  # reset, or the server is done with it
        self.stalled = False

    @property
    def unread(self):
        return len(self.heard) - self.consumed


class Witness:
    """Reads along on the wire, and adds up what each direction of a substream may carry."""

    def __init__(self):
        self.readers = {side: FrameReader() for side in Side}
        self.granted = Counter()  # by (side that may send, channel)
        self.sent = Counter()
        self.extended = False  # has anything of the extension been seen?

    def opened(self, channel, windows):
        for side in Side:
            self.granted[side, channel] = windows[side.other].first
            self.sent[side, channel] = 0

    def sees(self, side, data):
        for body in self.readers[side].feed(data):
            message = decode_message(body)
            if not isinstance(message, JsonMessage):
                self.sent[side, message.channel] += len(message.payload)
            elif message.value.get("event") == "credit":
                self.granted[side.other, message.channel] += message.value["bytes"]
                self.extended = True
            elif message.value.get("event") == "reset":
                self.extended = True


class Flowing(RuleBasedStateMachine):
    @initialize(new=st.booleans(), one=st.sampled_from(WINDOWS), other=st.sampled_from(WINDOWS))
    def begin(self, new, one, other):
        self.new = new
        self.now = 0.0
        self.windows = {Side.A: one, Side.B: other}
        self.tunnels = {side: TunnelCore(side) for side in Side}
        self.wire = {side: bytearray() for side in Side}
        self.ways = {}  # by (side that sends, channel)
        self.open = {side: set() for side in Side}
        self.witness = Witness()
        for side, tunnel in self.tunnels.items():
            features = [REUSE, CREDIT] if new else [REUSE]
            tunnel.enable(features, self.windows[side], self.windows[side.other].first)
        device, server = self.tunnels[Side.B], self.tunnels[Side.A]
        device._substreams.own._next = 65_536 - 2 * NUMBERS
        server._substreams.peers._highest = device._substreams.own._next - 2

    # --- what programs do

    def _pick(self, draw, side, *, ended=False):
        tunnel = self.tunnels[side]
        channels = [
            channel
            for channel in sorted(self.open[side])
            if tunnel.stream(channel).state.local_ended is ended
        ]
        return draw.draw(st.sampled_from(channels)) if channels else None

    @rule()
    def open_one(self):
        try:
            channel = self.tunnels[Side.B].open("net")
        except (ChannelsExhaustedError, PromisesExhaustedError):
            return
        self.open[Side.B].add(channel)
        for side in Side:
            self.ways[side, channel] = Way()
        self.witness.opened(channel, self.windows)

    @rule(draw=st.data(), side=st.sampled_from(Side), percent=st.integers(1, 500))
    def send(self, draw, side, percent):
        if channel := self._pick(draw, side):
            way = self.ways[side, channel]
            size = 1 + self.windows[side.other].first * percent // 100
            begin = len(way.told) % len(PERIOD)
            data = (PERIOD * (size // len(PERIOD) + 2))[begin : begin + size]
            self.tunnels[side].send(channel, data)
            way.told += data

    @rule(draw=st.data(), side=st.sampled_from(Side))
    def end(self, draw, side):
        if channel := self._pick(draw, side):
            self._end(side, channel)

    def _end(self, side, channel):
        if not self.tunnels[side].stream(channel).state.local_ended:
            self.tunnels[side].end(channel)
            self.ways[side, channel].ended = True

    @rule(draw=st.data(), side=st.sampled_from(Side))
    def reset(self, draw, side):
        channel = self._pick(draw, side, ended=draw.draw(st.booleans()))
        if channel and self.new:
            self.tunnels[side].reset(channel)
            for way in (self.ways[Side.A, channel], self.ways[Side.B, channel]):
                way.reset = way.cut = True
            self._end(side, channel)

    @rule(draw=st.data())
    def server_closes(self, draw):
        if channel := self._pick(draw, Side.A, ended=draw.draw(st.booleans())):
            self._close(channel)

    def _close(self, channel):
        self._end(Side.A, channel)
        self.tunnels[Side.A].emit(channel, "close")
        self.tunnels[Side.A].release(channel)
        self.open[Side.A].remove(channel)
        self.ways[Side.B, channel].cut = True

    @rule(draw=st.data(), side=st.sampled_from(Side))
    def stall_or_go_on(self, draw, side):
        if self.ways:
            way = self.ways[side, draw.draw(st.sampled_from(sorted(c for _, c in self.ways)))]
            way.stalled = not way.stalled

    @rule(draw=st.data(), share=st.integers(1, 4))
    def consume(self, draw, share):
        if self.ways:
            side, channel = draw.draw(st.sampled_from(sorted(self.ways, key=str)))
            self._consume(side, channel, self.ways[side, channel].unread // share)

    def _consume(self, side, channel, nbytes):
        """The consumer at the other end takes so much of what this side sent."""
        way = self.ways[side, channel]
        if nbytes and not way.stalled and channel in self.open[side.other]:
            way.consumed += nbytes
            self.now += 0.01
            self.tunnels[side.other].stream(channel).consumed(nbytes, self.now)

    # --- what the network does

    @rule(side=st.sampled_from(Side), max_bytes=st.integers(1, 200_000))
    def take(self, side, max_bytes):
        scheduler = self.tunnels[side].scheduler
        due = list(scheduler._lanes)
        urgent = sum(map(len, scheduler._urgent))
        batch = self.tunnels[side].take(max_bytes)
        turns = max(0, max_bytes - urgent) // (FAIR_TURN_BYTES + 100)
        assert set(due[:turns]) <= set(batch.served), "one whose turn it was got none"
        data = b"".join(batch.pieces)
        self.witness.sees(side, data)
        self.wire[side] += data

    @rule(side=st.sampled_from(Side), nbytes=st.integers(1, 20) | st.integers(1000, 100_000))
    def carry(self, side, nbytes):
        piece = bytes(self.wire[side][:nbytes])
        del self.wire[side][:nbytes]
        for event in self.tunnels[side.other].receive(piece):
            self._hear(side, event)

    def _hear(self, side, event):
        match event:
            case StreamOpened(channel):
                self.open[Side.A].add(channel)
                if not is_promised(self.tunnels[Side.A], channel):
                    self._close(channel)
            case DataReceived(channel, data):
                self.ways[side, channel].heard += data
            case StreamEnded(channel):
                way = self.ways[side, channel]
                way.end_heard = True
                assert way.cut or way.heard == way.told
            case CustomReceived(channel, "close"):
                self._end(Side.B, channel)
                self.tunnels[Side.B].release(channel)
                self.open[Side.B].remove(channel)
            case StreamReset(channel):
                if channel in self.open[side.other]:  # else closed by an event just before it
                    self._end(side.other, channel)
            case StreamFailed():
                pass
            case other:
                raise AssertionError(other)

    @rule()
    def settle(self):
        self._run_until_nothing_moves()

    def _run_until_nothing_moves(self):
        moved = True
        while moved:
            moved = False
            for side, channel in list(self.ways):
                self._consume(side, channel, self.ways[side, channel].unread)
            for side in Side:
                while self.tunnels[side]:
                    self.take(side, 100_000)
                moved |= bool(self.wire[side])
                self.carry(side, EVERYTHING)
            self.what_is_heard_was_said_in_that_order()
            self.no_credit_is_invented()

    # --- what holds

    @invariant()
    def what_is_heard_was_said_in_that_order(self):
        for way in getattr(self, "ways", {}).values():
            assert way.told.startswith(way.heard)

    @invariant()
    def no_credit_is_invented(self):
        if not getattr(self, "new", False):
            return
        promised = Counter()
        for (side, channel), way in self.ways.items():
            granted = self.witness.granted[side, channel]
            assert self.witness.sent[side, channel] <= granted
            outstanding = granted - way.consumed
            assert way.unread <= outstanding <= self.windows[side.other].substream_max
            if channel in self.open[side.other]:
                promised[side.other] += outstanding
        for side, nbytes in promised.items():
            windows, tunnel = self.windows[side], self.tunnels[side]
            unpromised = sum(not is_promised(tunnel, channel) for channel in self.open[side])
            assert nbytes <= tunnel._substreams.promises.nbytes + unpromised * windows.first
            assert tunnel._substreams.promises.nbytes <= windows.tunnel_max

    @invariant()
    def nothing_of_it_is_seen_unless_both_want_it(self):
        assert not hasattr(self, "new") or self.new or not self.witness.extended

    def teardown(self):
        if not hasattr(self, "tunnels"):
            return
        self._run_until_nothing_moves()
        self._assert_all_arrived(lambda way: way.stalled)
        for way in self.ways.values():
            way.stalled = False
        self._run_until_nothing_moves()
        self._assert_all_arrived(lambda _: False)
        assert not any(tunnel.has_waiting for tunnel in self.tunnels.values()), "a deadlock"
        for channel in sorted(self.open[Side.A]):
            self._close(channel)
        self._run_until_nothing_moves()
        self._assert_clean()

    def _assert_all_arrived(self, excused):
        for (side, channel), way in self.ways.items():
            if channel not in self.open[side.other]:
                continue
            if way.cut or excused(way):
                assert way.end_heard or not way.reset
                continue
            assert way.heard == way.told, "bytes are stuck"
            assert way.end_heard == way.ended

    def _assert_clean(self):
        for side, tunnel in self.tunnels.items():
            assert not self.open[side]
            assert not tunnel.has_waiting
            assert not tunnel.leaving
            assert tunnel.scheduler.frame_bytes == 0
            promises = tunnel._substreams.promises
            assert promises is None or promises.nbytes == 0


@pytest.mark.timeout(600)  # on a machine that others use; some seconds else
def test_whatever_stalls_ends_or_leaves_the_others_go_on_and_everything_arrives():
    some = settings(max_examples=100, stateful_step_count=60, deadline=None)
    run_state_machine_as_test(Flowing, settings=some)
