"""The C client and the Python core send the same octets and report the same events.

Both get the same calls and the same frames of a proxy, valid and faulty, in pieces of any size.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from streamplex import conversation, encoding, messages
from support.clients.c_client import FEATURES, STREAMS, CDevice, PythonDevice, joined

WINDOWS = st.sampled_from([1, 2, 1000, 1024, 65_536])
SIZES = st.sampled_from([1, 2, 511, 512, 1024, 9000])
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
WORDS = st.text("abc é𝄞", min_size=1, max_size=90).filter(lambda text: text == text.strip())
CUTS = st.lists(st.integers(1, 40), max_size=4)
CHANNELS = st.sampled_from([0, 1, 2, 2, 2, 3, 4, 4, 6, 8, 100, 65_535])
INTEGERS = st.sampled_from(
    [0, 1, 2, 4, 100, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 10**20, 10**307, -1, -(2**53) + 1]
)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["lookup", "connect", "secureConnect", "timeout", "close", "?"])
REASONS = st.sampled_from([reason.value for reason in conversation.Reason] + ["?"])
REFUSAL = st.fixed_dictionaries(
    {"authed": st.just(False) | VALUES},
    optional={
        "retry": st.booleans() | VALUES,
        "reason": REASONS | VALUES,
        "message": WORDS | VALUES,
        "retry_after_ms": INTEGERS,
    },
)
FAULTY_CONTROL = st.fixed_dictionaries(
    {"type": st.sampled_from(["stream", "message", "goaway", "ping", "pong", "?"]) | VALUES},
    optional={
        "sock": st.sampled_from([1, 3, 0, 2, 65_535, 65_537, True, 1.0]) | VALUES,
        "object": VALUES,
        "after_ms": INTEGERS | VALUES,
        "id": INTEGERS | st.text(max_size=66) | VALUES,
        "message": TEXTS,
    },
)
FAULTY_EVENT = st.fixed_dictionaries(
    {"event": st.sampled_from(["end", "error", "custom", "credit", "reset", "?"]) | VALUES},
    optional={
        "message": TEXTS | VALUES,
        "bytes": INTEGERS | VALUES,
        "emitArgs": st.tuples(NAMES, VALUES).map(list) | VALUES,
    },
)


class SameOctets(RuleBasedStateMachine):
    """One program on two devices: after each step both must have sent and reported the same."""

    library = None
    streams = Bundle("streams")

    def __init__(self):
        super().__init__()
        self.c, self.python = CDevice(self.library), PythonDevice()
        self.enabled = frozenset()  # once accepted
        self.accepted = self.over = self.going = False
        self.held = {}  # bytes by open substream
        self.left = set()  # substreams that this side ended or reset, with which of the two
        self.ended = set()  # substreams that the proxy ended
        self.opened_by_proxy = set()

    # --- the program

    @initialize(
        token=TEXTS,
        device=st.none() | st.just("shed"),
        offered=st.just(FEATURES) | st.sets(st.sampled_from(FEATURES)),
        window=WINDOWS,
    )
    def start(self, token, device, offered, window):
        named = set(offered) - {"device/1"}
        offered = named | {"device/1"} if device and named else named
        self.both("start", token, device if named else None, offered, window)

    @precondition(lambda self: self.accepted)
    @rule(
        target=streams,
        kind=st.sampled_from(["net", "tls"]),
        host=st.text('ab."é\\\n', min_size=1, max_size=9),
    )
    def connect(self, kind, host):
        if len(self.held) == STREAMS or self.going:
            assert self.c.connect(kind, host, 80) < 0
            return multiple()
        stream = self.both("connect", kind, host, 80)
        self.held[stream] = 0
        return stream

    @precondition(lambda self: not self.over)
    @rule(stream=streams, size=SIZES)
    def send(self, stream, size):
        if size := min(size, self.c.sendable(stream)):
            self.both("send", stream, bytes(size))

    @precondition(lambda self: not self.over)
    @rule(stream=streams, what=st.sampled_from(["end", "reset", "abort"]))
    def leave(self, stream, what):
        if stream not in self.held or (stream, what) in self.left:
            return
        if what == "reset" and "credit/1" not in self.enabled:
            return
        self.left.add((stream, what))
        self.both(what, stream, *(['broken "pipe"'] if what == "abort" else []))

    @precondition(lambda self: not self.over)
    @rule(stream=streams, size=SIZES)
    def consume(self, stream, size):
        if size := min(size, self.held.get(stream, 0)):
            self.held[stream] -= size
            self.both("consumed", stream, size)

    @precondition(lambda self: not self.over)
    @rule(stream=streams, timeout_ms=st.integers(0, 2**32 - 1))
    def idle_timeout(self, stream, timeout_ms):
        if stream in self.held:
            self.both("idle_timeout", stream, timeout_ms)

    @precondition(lambda self: "ping/1" in self.enabled)
    @rule()
    def ping(self):
        self.both("ping")

    # --- the proxy

    @precondition(lambda self: not self.accepted)
    @rule(
        dropped=st.sets(st.sampled_from(FEATURES), max_size=1),
        window=WINDOWS | INTEGERS | VALUES,
        cuts=CUTS,
    )
    def accept(self, dropped, window, cuts):
        names = [*sorted(set(FEATURES) - dropped), "other/1", 3]
        answer = {"authed": True, "features": names, "window": window}
        self.frame(encoding.message(answer), cuts)

    @rule(said=REFUSAL, cuts=CUTS, rarely=st.integers(0, 9))
    def refuse(self, said, cuts, rarely):
        if rarely == 0:
            self.frame(encoding.message(said), cuts)

    @rule(stream=streams, size=SIZES, cuts=CUTS)
    def data(self, stream, size, cuts):
        if stream in self.ended:
            return
        if "credit/1" in self.enabled:
            size = min(size, self.python.window_left(stream))
        if size:
            self.frame(messages.data_header(stream, size) + bytes(size), cuts)

    @rule(stream=streams, cuts=CUTS)
    def end(self, stream, cuts):
        if stream not in self.ended:
            self.ended.add(stream)
            self.frame(encoding.stream_ended(stream), cuts)

    @rule(stream=streams, text=TEXTS | st.text("é", min_size=120, max_size=140), cuts=CUTS)
    def fail(self, stream, text, cuts):
        self.frame(encoding.stream_failed(stream, text), cuts)

    @rule(stream=streams, name=NAMES, cuts=CUTS)
    def custom(self, stream, name, cuts):
        self.frame(encoding.custom(stream, name, ()), cuts)

    @rule(stream=streams, size=st.integers(1, 2000), cuts=CUTS)
    def credit(self, stream, size, cuts):
        self.frame(encoding.credit_granted(stream, size), cuts)

    @rule(stream=streams, cuts=CUTS, rarely=st.integers(0, 3))
    def reset(self, stream, cuts, rarely):
        if rarely == 0:
            self.frame(encoding.stream_reset(stream), cuts)

    @rule(identity=st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=64), cuts=CUTS)
    def ping_of_the_proxy(self, identity, cuts):
        self.frame(encoding.pong(identity).replace(b"pong", b"ping"), cuts)

    @rule(after_ms=st.integers(0, 2**31 - 1), cuts=CUTS, rarely=st.integers(0, 9))
    def goaway(self, after_ms, cuts, rarely):
        if rarely == 0:
            self.frame(encoding.go_away(after_ms), cuts)

    @rule(number=st.sampled_from([1, 3]), cuts=CUTS, rarely=st.integers(0, 9))
    def open_of_the_proxy(self, number, cuts, rarely):
        # the C client keeps no state of the proxy's substreams, so it does not notice a second open
        if rarely == 0 and number not in self.opened_by_proxy:
            self.opened_by_proxy.add(number)
            self.frame(encoding.stream_opened(number, None), cuts)

    @rule(said=FAULTY_CONTROL, cuts=CUTS, rarely=st.integers(0, 9))
    def faulty_control(self, said, cuts, rarely):
        number = said.get("sock")
        opens = said["type"] == "stream" and type(number) is int
        if rarely == 0 and not (opens and number in self.opened_by_proxy):
            self.opened_by_proxy |= {number} if opens else set()
            self.frame(messages.encode_json(0, said), cuts)

    @rule(stream=CHANNELS.filter(bool), said=FAULTY_EVENT, cuts=CUTS, rarely=st.integers(0, 9))
    def faulty_event(self, stream, said, cuts, rarely):
        if rarely == 0:
            self.frame(messages.encode_json(stream, said), cuts)

    @rule(
        stream=CHANNELS,
        body=st.binary(max_size=12),
        kind=st.integers(0, 2),
        cuts=CUTS,
        rarely=st.integers(0, 19),
    )
    def faulty_bytes(self, stream, body, kind, cuts, rarely):
        if rarely == 0:
            body = stream.to_bytes(2) + bytes([kind]) + body
            self.frame(len(body).to_bytes(2) + body, cuts)

    # --- both

    def both(self, method, *args):
        ours = getattr(self.c, method)(*args)
        theirs = getattr(self.python, method)(*args)
        assert (method, ours, self.c.sent()) == (method, theirs, self.python.sent())
        return ours

    def frame(self, frame, cuts):
        if self.over:
            return
        ours = self.c.receive_pieces(frame, cuts)
        assert ours == joined(self.python.receive(frame))
        for told in ours:
            self.learn(told)
        if not self.over:
            assert self.c.sent() == self.python.sent()
            assert self.c.between_frames

    def learn(self, told):
        match told:
            case ("accepted", names):
                self.accepted, self.enabled = True, names
            case ("fault",) | ("refused", *_):
                self.over, self.accepted, self.enabled = True, False, frozenset()
            case ("goaway", _):
                self.going = True
            case ("data", stream, data):
                self.held[stream] += len(data)
            case ("end", stream):
                self.ended.add(stream)
            case ("close", stream):
                del self.held[stream]


def test_the_same_calls_and_frames_give_the_same_octets_and_events(library):
    machine = type("Machine", (SameOctets,), {"library": library})
    quickly = settings(
        max_examples=100,
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=quickly)
