"""Whatever a device and its target do, in whatever order, one substream comes to one end."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import error

from support.proxy_in_memory import PUBLIC, LoggedEvents, Stage, TargetTransport
from support.target_sockets import SocketTransport

NAME = "target.example"
DEVICE = ("data", "end", "error", "connect", "connect name", "bad connect", "timeout", "nonsense")
PIECE = bytes(40_000)
TARGET = ("stands", "fails", "answers", "sends", "ends", "resets", "takes nothing", "takes all")

steps = st.lists(st.sampled_from((*DEVICE, *TARGET, "time passes")), max_size=14)


class Play:
    """One substream, and the target it may come to have."""

    def __init__(self, features, config, transport):
        self.stage = Stage(**config)
        self.stage.connect_target.transport = transport
        self.stage.authenticate(*features)
        self.device = self.stage.open()
        self.target = None
        self.device_ended = self.target_over = False

    def do(self, step):
        substream = self.device.transport
        match step:
            case "data" if not self.device_ended:
                substream.write(PIECE)
            case "end":
                substream.loseWriteConnection()
                self.device_ended = True
            case "error":
                substream.fail("trouble")
            case "connect":
                substream.emit("_pls_connect", 80, PUBLIC)
            case "connect name":
                substream.emit("_pls_connect", 80, NAME)
            case "bad connect":
                substream.emit("_pls_connect", -1)
            case "timeout":
                substream.emit("_pls_timeout", 500)
            case "nonsense":
                substream.emit("_pls_dance")
            case "time passes":
                self.stage.clock.advance(1)
            case _:
                self._target_does(step)
        self.stage.pump()
        self._turn()

    def _turn(self):
        if isinstance(self.target, SocketTransport):
            self.target.turn()
            self.stage.pump()

    def _target_does(self, step):
        match step:
            case "answers" if self.stage.resolver.asked.get(NAME):
                self.stage.resolver.answer(NAME, PUBLIC)
            case "stands" if self._is_dialled:
                self.target = self.stage.dial().stands()
            case "fails" if self._is_dialled:
                self.stage.dial().fails(error.TimeoutError())
                self.target_over = True
            case _ if self._target_lives:
                self._socket_does(step)

    def _socket_does(self, step):
        match step:
            case "sends":
                self.target.send(PIECE)
            case "ends":
                self.target.end()
                self.target_over = True
            case "resets":
                self.target.reset()
                self.target_over = True
            case "takes nothing":
                self.target.takes_nothing()
            case "takes all" if isinstance(self.target, SocketTransport) or self.target.producer:
                self.target.takes_all()

    @property
    def _is_dialled(self):
        dialled = bool(self.stage.dials) and not self.stage.dial().stopped
        return dialled and self.target is None and not self.target_over

    @property
    def _target_lives(self):
        gone = self.target is None or self.target.closed or self.target.aborted
        return not gone and not self.target_over


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([[], ["connect", "stands"]]),  # most lists alone connect nothing
    steps,
    st.sampled_from([(), ("halfclose/1",)]),
    st.sampled_from([{}, {"bytes_per_s": 20_000}, {"bytes_per_day": 100_000}]),
    st.sampled_from([TargetTransport, SocketTransport]),
)
def test_one_substream_comes_to_one_end(first_steps, steps, features, config, transport):
    with LoggedEvents() as logged:
        play = Play(features, config, transport)
        for step in first_steps + steps:
            play.do(step)
        device = play.device
        assert device.events.count(("close",)) <= 1
        if ("close",) in device.events:
            assert device.events[-1] == ("close",)  # nothing is said after it
            assert device.calls.count("read lost") == 1
            assert not play.stage.server.substreams
        play.stage.connection.cut()
        assert len(logged.named("substream_closed")) == 1
        assert len(logged.named("tunnel_closed")) == 1
        if play.target:
            assert play.target.closed or play.target.aborted or play.target_over
            play.target.lose(error.ConnectionDone())
        play.stage.pump()
        assert play.stage.limits.substreams == 0
        assert not play.stage.opener.sockets
        assert not play.stage.clock.getDelayedCalls()
