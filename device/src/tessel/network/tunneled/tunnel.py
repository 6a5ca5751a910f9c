"""One tunnel to the proxy, from its first connection attempt to its end.

The device sends its token and its features, and opens no substream before the proxy's answer.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol as Shape
from typing import assert_never, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import ChannelsExhaustedError, LocalError, PromisesExhaustedError, Windows
from streamplex.conversation import (
    Accepted,
    Answer,
    Refused,
    SubstreamKind,
    decode_answer,
    decode_later_refusal,
    encode_hello,
    offer,
)
from streamplex.features import PING
from streamplex.jsontext import Json
from streamplex.tx import ITunnelListener, Substream, TunnelProtocol
from streamplex.tx.endings import in_words
from streamplex.tx.tcp import KeepAliveTimes, probe_peer, tcp_below
from tessel.errors import NodeError
from tessel.network.limits import CLOSE_TIMEOUT_S
from tessel.network.tunneled.refused import refusal
from tessel.network.tunneled.substream_adapter import SubstreamAdapter
from tessel.settings import Settings

log = Logger(namespace="tessel")

WINDOWS = Windows()
"""The flow-control windows for the bytes that the proxy sends."""


class TunnelPhase(Enum):
    """The state of a tunnel."""

    CONNECTING = auto()
    ASKING = auto()  # the token is sent; waits for the answer
    OPEN = auto()
    RETIRED = auto()  # opens nothing more, and closes after its last substream
    CLOSING = auto()
    LOST = auto()


class TunnelSpentError(Exception):
    """A tunnel can open no more substreams. The next tunnel must open them."""


class TunnelOwner(Shape):
    """The methods that a tunnel calls on the pool that made it; TunnelPool has them."""

    def going_away(self, after_s: float) -> None: ...
    def refused(self, error: NodeError) -> None: ...
    def lost(self, tunnel: ProxyTunnel, *, unexpectedly: bool) -> None: ...


@implementer(ITunnelListener)
class ProxyTunnel:
    """One tunnel to the proxy: sends the token, opens substreams, and closes when it is idle.

    `answered` fires when the proxy has accepted the token, and fails with NodeError if it refuses
    it or the tunnel is lost before that.
    """

    def __init__(self, settings: Settings, clock: IReactorTime, owner: TunnelOwner) -> None:
        self._settings = settings
        self._clock = clock
        self._owner = owner
        self._hello = offer(settings.token, settings.device, WINDOWS.first)
        self._features = frozenset[str]()
        self._open_substreams = 0
        self._idle: IDelayedCall | None = None
        self._cut: IDelayedCall | None = None
        self._end_error: NodeError | None = None  # the proxy's reason for ending the tunnel
        self._protocol: TunnelProtocol | None = None
        self.phase = TunnelPhase.CONNECTING
        self.opened_at: float | None = None  # clock time when the proxy accepted the token
        self.answered: Deferred[None] = Deferred()

    # For the pool.

    def open(self, kind: SubstreamKind) -> Substream:
        """Open a substream of this kind.

        Raises TunnelSpentError if the next tunnel must open it, NodeError if the tunnel has ended
        or has too many connections.
        """
        if self.phase not in (TunnelPhase.OPEN, TunnelPhase.RETIRED):
            raise NodeError("the tunnel ended: ECONNRESET", "ECONNRESET")
        try:
            substream = self._pump().open(kind)
        except ChannelsExhaustedError as error:
            self._retire("its channel numbers are used up")
            raise TunnelSpentError from error
        except PromisesExhaustedError as error:
            raise NodeError("connect EMFILE: too many connections", "EMFILE") from error
        except LocalError as error:  # cut for an error of the proxy, and not lost yet
            self.phase = TunnelPhase.CLOSING
            raise TunnelSpentError from error
        self._open_substreams += 1
        self._stop_idle_timer()
        return substream

    def substream_over(self) -> None:
        """Called when a substream has ended: without any other, the tunnel's idle time begins."""
        self._open_substreams -= 1
        self._watch_idle()

    @property
    def understands_failure(self) -> bool:
        """True if the proxy aborts its connection to the target when a substream fails.

        The original proxy does not.
        """
        return bool(self._features)

    def end_error(self) -> NodeError:
        """Return the error for a connection that was cut because this tunnel ended."""
        if self._end_error is not None:
            return self._end_error.again()
        return NodeError("read ECONNRESET", "ECONNRESET")

    def finish(self) -> None:
        """Open no more substreams, close all connections cleanly, then close the tunnel.

        A tunnel that is not authorized yet has no connections; its attempt closes it.
        """
        if self.phase not in (TunnelPhase.OPEN, TunnelPhase.RETIRED):
            return
        self._stop_idle_timer()
        self.phase = TunnelPhase.RETIRED
        for substream in list(self._pump().substreams.values()):
            face = substream.protocol  # another protocol if it has raised an exception
            if isinstance(face, SubstreamAdapter):
                face.connection.take_leave()
        self._watch_idle()

    def close(self) -> None:
        """Send the queued bytes and close the tunnel."""
        self._stop_idle_timer()
        if self.phase in (TunnelPhase.OPEN, TunnelPhase.RETIRED, TunnelPhase.ASKING):
            self.phase = TunnelPhase.CLOSING
            log.debug("the tunnel is being closed")
            self._pump().loseConnection()

    def abort(self) -> None:
        """Close the tunnel at once, without sending the queued bytes."""
        self._stop_idle_timer()
        if self._protocol is not None and self.phase is not TunnelPhase.LOST:
            self.phase = TunnelPhase.CLOSING
            self._protocol.abortConnection()

    # ITunnelListener.

    def tunnelMade(self, tunnel: TunnelProtocol) -> None:
        """Called when TLS is established and the proxy's certificate accepted: send the token."""
        self._protocol = tunnel
        if (connection := tcp_below(tunnel.transport)) is not None:
            # Not every proxy answers pings: TCP keep-alive finds a dead one, too.
            probe_peer(connection.getHandle(), KeepAliveTimes())
        self.phase = TunnelPhase.ASKING
        tunnel.core.offer(self._hello.common)
        tunnel.message(encode_hello(self._hello))

    def tunnelSecured(self) -> None:
        """Do nothing. The method is part of the interface; `tunnelMade` has done the work."""

    def messageReceived(self, value: Json) -> None:
        """Called for each message: handle the proxy's answer and later refusals of the token.

        The first message is the answer. Other later messages are ignored.
        """
        if self.phase is TunnelPhase.ASKING:
            self._answered(decode_answer(value))
        elif self.phase in (TunnelPhase.OPEN, TunnelPhase.RETIRED) and (
            refused := decode_later_refusal(value)
        ):
            self._refused_later(refused)

    def _answered(self, answer: Answer) -> None:
        match answer:
            case Accepted():
                self._accepted(answer)
            case Refused():
                self._refused(answer)
            case _:
                assert_never(answer)

    def _accepted(self, answer: Accepted) -> None:
        self._features = answer.features & self._hello.common
        self._pump().enable(self._features, WINDOWS, answer.window)
        self.phase = TunnelPhase.OPEN
        self.opened_at = self._clock.seconds()
        if PING in self._features and self._settings.ping_interval_s:
            self._pump().keep_alive(self._settings.ping_interval_s, self._settings.ping_timeout_s)
        log.debug("the tunnel is authorized")
        self._watch_idle()
        self.answered.callback(None)

    def substreamOpened(self, substream: Substream) -> None:
        """Called when the proxy opens a substream: fail it, because a device accepts none."""
        substream.fail("this device accepts no substreams")
        substream.release()

    def goAwayReceived(self, after_ms: int) -> None:
        """Called when the proxy is stopping: open no more substreams. Open connections go on.

        `after_ms` is the time in milliseconds after which the proxy accepts the next tunnel.
        """
        self._owner.going_away(after_ms / 1000)
        if self.phase is TunnelPhase.OPEN:
            self._retire(f"the proxy is stopping, and asks for the next one after {after_ms} ms")

    def tunnelLost(self, reason: Failure) -> None:
        """Called when the tunnel is closed or lost: report it to the pool, and fail `answered`."""
        self._stop_idle_timer()
        self._stop_cut()
        was_open, self.phase = self.phase is TunnelPhase.OPEN, TunnelPhase.LOST
        log.debug("the tunnel is closed: {why}", why=in_words(reason))
        self._fail_answer(NodeError(_early_end(reason), "ECONNRESET"))
        self._owner.lost(self, unexpectedly=was_open)

    # The conversation.

    def _refused(self, refused: Refused) -> None:
        error = refusal(refused, self._settings)
        log.debug("the tunnel is not authorized: {error}", error=error)
        self.close()  # before the waiting connections fail and would abort it
        self._fail_answer(error)

    def _refused_later(self, refused: Refused) -> None:
        """Close an authorized tunnel, as the proxy asks. The original proxy never does."""
        if not self.understands_failure:
            return
        error = self._end_error = refusal(refused, self._settings)
        log.debug("the proxy closes the tunnel: {error}", error=error)
        self.close()
        self._cut = self._clock.callLater(CLOSE_TIMEOUT_S, self.abort)
        self._owner.refused(error)

    def _fail_answer(self, error: NodeError) -> None:
        if not self.answered.called:
            self.answered.errback(error)

    # Closing.

    def _retire(self, why: str) -> None:
        self._stop_idle_timer()
        self.phase = TunnelPhase.RETIRED
        log.debug("the tunnel opens nothing more: {why}", why=why)
        self._watch_idle()

    def _watch_idle(self) -> None:
        if self._open_substreams:
            return
        if self.phase is TunnelPhase.RETIRED:
            self.close()
        elif self.phase is TunnelPhase.OPEN:
            self._idle = self._clock.callLater(self._settings.idle_s, self._idle_too_long)

    def _idle_too_long(self) -> None:
        self._idle = None
        log.debug("the tunnel was idle for {seconds:g} s", seconds=self._settings.idle_s)
        self.close()

    def _stop_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _stop_cut(self) -> None:
        if self._cut is not None and self._cut.active():
            self._cut.cancel()

    def _pump(self) -> TunnelProtocol:
        return cast("TunnelProtocol", self._protocol)  # set in all phases that use it


def _early_end(reason: Failure) -> str:
    return f"the tunnel ended before it was authorized ({in_words(reason)}): ECONNRESET"
