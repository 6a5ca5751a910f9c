"""Anything from the proxy, in any order: no exception, and cut data never looks complete."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost

from support.fake_board import Attempt, Board
from support.fake_proxy import ORIGINAL, OURS, WITH_CREDIT, Device
from tessel.errors import NodeError
from tessel.gateway.client import Client, Means
from tessel.gateway.limits import LINGER_S, OPENING_TIMEOUT_S
from tessel.gateway.opening import Opening

REQUEST = b"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x50"
ANSWER_BYTES = 2 + 10
CONNECTED = b"\x05\x00\x05\x00"

FROM_PROXY = st.one_of(
    st.sampled_from(
        ["connect", "secureConnect", "lookup", "timeout", "close", "end", "reset", "x"]
    ),
    st.tuples(st.just("data"), st.binary(min_size=1, max_size=100)),
    st.tuples(
        st.just("event"), st.text(max_size=5), st.lists(st.integers() | st.text(), max_size=2)
    ),
    st.tuples(st.just("fail"), st.sampled_from(["connect ECONNREFUSED 1.2.3.4:80", "", "x" * 99])),
    st.tuples(st.just("bytes"), st.binary(min_size=1, max_size=60)),
    st.tuples(st.just("message"), st.recursive(st.none() | st.integers() | st.text(), st.lists)),
    st.just("cut"),
)
FROM_CLIENT = st.one_of(
    st.tuples(st.just("send"), st.binary(min_size=1, max_size=100)),
    st.sampled_from(["client ends", "client is lost", "client is full", "client has room"]),
)
STEPS = st.lists(st.one_of(FROM_PROXY, FROM_PROXY, FROM_CLIENT), max_size=15)


class Network:
    """The network of a device whose connections all go through a fake proxy."""

    def __init__(self, device):
        self._device = device

    def connect(self, target, factory, *, watcher):
        attempt = self._device.network.connect(target, factory, watcher, "a test")
        return Deferred.fromCoroutine(attempt)


class Run:
    """A client, a gateway and a proxy, and what happened so far."""

    def __init__(self, answer):
        self.device = Device(answer=answer)
        board = Board()
        board.clock = self.device.clock
        means = Means(Network(self.device), self.device.clock, 10)
        self.over = []
        self.client = Attempt(
            board,
            None,
            lambda: Client(means, Opening(None), "client", self.over.append).protocol(),
            proxy=False,
        )
        self.wire = self.client.wire
        self.wire.protocol = self.client.factory()
        self.wire.protocol.makeConnection(self.wire)
        self.sent = b""  # by the proxy, as data of the substream, before its end
        self.has_ended = False  # the proxy's side, in order
        self.is_wild = False  # bytes went into the tunnel that may mean anything
        self.wire.protocol.dataReceived(REQUEST)
        self.device.pump()

    def step(self, step):
        name, *rest = (step,) if isinstance(step, str) else step
        if name == "send":
            if not (self.wire.lost or self.client_ended):
                self.wire.protocol.dataReceived(rest[0])
        elif name.startswith("client"):
            self._client(name)
        else:
            self._proxy(name, *rest)
        self.device.pump()

    client_ended = False

    def _client(self, name):
        if self.wire.lost:
            return
        match name:
            case "client ends" if not self.client_ended:
                self.client_ended = True
                self.wire.protocol.readConnectionLost()
            case "client is lost":
                self.client_ended = True
                self.wire.lose(ConnectionLost())
            case "client is full" if self.wire.producer is not None:
                self.wire.producer.pauseProducing()
            case "client has room" if self.wire.producer is not None:
                self.wire.producer.resumeProducing()

    def _proxy(self, name, *rest):
        connection, served = self.device.proxy.connections[0], self.device.proxy.served
        match name:
            case "cut":
                connection.cut()
            case "bytes":
                self.is_wild = True
                if connection.ends[0].connected:
                    connection.ends[0].protocol.dataReceived(rest[0])
            case "message":
                if self.device.proxy.tunnels and connection.ends[1].connected:
                    self.device.proxy.tunnels[-1].message(rest[0])
            case _ if served and connection.ends[1].connected:
                self._substream(served[0], name, *rest)

    def _substream(self, served, name, *rest):
        match name:
            case "data":
                if not self.has_ended:
                    self.sent += rest[0]
                served.sends(rest[0])
            case "end":
                self.has_ended = True
                served.ends()
            case "reset" if served.transport.can_reset:
                served.transport.reset()
            case "fail":
                served.fails(rest[0])
            case "event":
                served.says(rest[0], *rest[1])
            case "reset":
                pass
            case _:
                served.says(name)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([OURS, ORIGINAL, WITH_CREDIT]), STEPS)
def test_whatever_the_proxy_does_a_clean_end_is_the_targets(answer, steps):
    run = Run(answer)
    for step in steps:
        run.step(step)

    got = run.wire.value()
    was_connected = got.startswith(CONNECTED)
    looks_complete = (run.wire.half_closed or run.wire.lost) and not run.wire.aborted
    if was_connected and looks_complete and not run.client_ended and not run.is_wild:
        assert run.has_ended
        assert got[ANSWER_BYTES:] == run.sent
    if not run.is_wild:
        assert run.sent.startswith(got[ANSWER_BYTES:])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([OURS, ORIGINAL, WITH_CREDIT]), STEPS)
def test_after_the_tunnel_is_lost_nothing_of_a_client_is_left(answer, steps):
    run = Run(answer)
    for step in steps:
        run.step(step)
    if not run.wire.lost and run.wire.producer is not None:
        run.wire.producer.resumeProducing()

    run.device.proxy.connections[0].cut()
    run.device.proxy.refusal = NodeError("connect ECONNREFUSED", "ECONNREFUSED")
    run.device.pump()
    run.device.pass_time(OPENING_TIMEOUT_S + LINGER_S)
    run.device.pass_time(OPENING_TIMEOUT_S + LINGER_S)

    assert run.wire.lost
    assert len(run.over) == 1
