"""One substream of a device <-> one connection to a target (docs/wire.md, layer 4, steps 4 to 9).

What has happened so far is in a table (outbound_states.py). Whatever leads to its end, the device
is told `end` and `close` and the record is written, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import TunnelLostError, conversation
from streamplex.conversation import BadRequestError, ConnectRequest, SubstreamKind
from streamplex.jsontext import Json
from streamplex.messages import BytesLike
from streamplex.tx import ISubstreamProtocol, ITakesSequences, Substream
from tessel_proxy.egress.addresses import Address
from tessel_proxy.records.accounting import ReplacedError, SubstreamRecord
from tessel_proxy.records.ends import Outcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.relay.backpressure import FromDevice, FromTarget, Why
from tessel_proxy.relay.early_data import EarlyData
from tessel_proxy.relay.idle_timer import IdleTimer
from tessel_proxy.relay.states import TRANSITIONS, RelayInput, RelayState
from tessel_proxy.relay.traffic import Traffic
from tessel_proxy.relay.tunnel_context import TunnelContext
from tessel_proxy.targets import nodewords
from tessel_proxy.targets.nodewords import TargetError
from tessel_proxy.targets.target import Target, TargetLoss


@implementer(ISubstreamProtocol, ITakesSequences, IHalfCloseableProtocol)
class Outbound(Protocol):
    """The protocol over a device's substream, and the owner of its target's socket."""

    _log = Logger()

    def __init__(
        self, context: TunnelContext, kind: SubstreamKind, record: SubstreamRecord
    ) -> None:
        self._context = context
        self._kind = kind
        self._record = record
        self._state = RelayState.WAITING
        self._early: EarlyData | None = None  # until the target stands, if anything comes
        self._idle: IdleTimer | None = None  # until the device asks for it
        self._silence: IdleTimer | None = None
        if context.idle_s:
            self._silence = IdleTimer(context.clock, self._silent_too_long)
            self._silence.arm(context.idle_s)
        self._opening: Deferred[None] | None = None
        self._last_bytes = 0  # that came at once from the device
        self._target: Target | None = None
        self._from_device = FromDevice(self)
        self._from_target = FromTarget(self)
        self._traffic = Traffic(context.usage, self._from_device, self._from_target)

    def connectionMade(self) -> None:
        self._substream.takes_sequences = False  # no more is kept than what pauses the device
        self._traffic.device_comes()

    @property
    def _substream(self) -> Substream:
        return cast("Substream", self.transport)

    def _move(self, what: RelayInput) -> None:
        self._state = TRANSITIONS[self._state][what]

    # --- from the device

    def customReceived(self, name: str, args: tuple[Json, ...]) -> None:
        if self._state is RelayState.CLOSED:
            return
        try:
            match name:
                case conversation.CONNECT:
                    self._connect(conversation.decode_connect(args))
                case conversation.IDLE_TIMEOUT:
                    self._set_timeout(conversation.decode_idle_timeout(args) / 1000)
                case _:
                    self._log.debug("event {name} passed over", name=name)
        except BadRequestError as fault:
            self._fail(str(fault), Outcome.BAD_REQUEST)

    def _connect(self, request: ConnectRequest) -> None:
        if self._state is not RelayState.WAITING:
            raise BadRequestError(nodewords.SECOND_CONNECT)
        self._move(RelayInput.CONNECT)
        self._record.target = str(request)
        # What has come with it may be for the target, which then gets it in one write.
        self._substream.behind(lambda: self._open(request))

    def _open(self, request: ConnectRequest) -> None:
        if self._state is not RelayState.OPENING:
            return
        context = self._context
        opening = context.opener.open(request, self._kind, context.account, context.tunnel, self)
        stands = opening.addCallback(self._stands).addErrback(self._not_opened)
        if not stands.called:
            self._opening = stands

    def _set_timeout(self, limit_s: float) -> None:
        if self._idle is None:
            self._idle = IdleTimer(self._context.clock, self._tell_idle)
        if limit_s:
            self._idle.arm(limit_s)
        else:
            self._idle.disarm()

    def dataReceived(self, data: BytesLike) -> None:
        self.dataSequenceReceived((data,))

    def dataSequenceReceived(self, pieces: Sequence[BytesLike]) -> None:
        self.touch()
        match self._state:
            case RelayState.DEVICE_ENDED | RelayState.CLOSED:
                pass
            case _ if not self._traffic.may_pass_to_target(sum(map(len, pieces))):
                self._fail_with("read", Outcome.QUOTA_SPENT)
            case RelayState.WAITING | RelayState.OPENING:
                self._keep(pieces)
            case RelayState.RELAYING | RelayState.TARGET_ENDED:
                self._write(pieces)
            case _:
                assert_never(self._state)

    def _keep(self, pieces: Sequence[BytesLike]) -> None:
        kept = self._kept
        if not kept.add(b"".join(pieces)):
            self._fail_with("write", Outcome.TOO_MUCH_EARLY_DATA)
        elif self._state is RelayState.OPENING and kept.is_much:
            self._from_device.add(Why.OPENING)

    @property
    def _kept(self) -> EarlyData:
        if self._early is None:
            self._early = EarlyData(self._context.allowance)
        return self._early

    def readConnectionLost(self) -> None:
        match self._state:
            case RelayState.WAITING | RelayState.OPENING:
                self._kept.ended = True
            case RelayState.RELAYING:
                self._move(RelayInput.DEVICE_END)
                self._socket.end()
            case RelayState.TARGET_ENDED:
                self._finish(Outcome.ENDED)
            case RelayState.DEVICE_ENDED | RelayState.CLOSED:
                pass
            case _:
                assert_never(self._state)

    def writeConnectionLost(self) -> None:
        """The device has our `end`; `close` may be long after."""

    def errorReceived(self, message: str) -> None:  # noqa: ARG002 -- its words help nobody here
        if self._state is not RelayState.CLOSED:
            self._abort_socket()
            stalled = self._substream.stalled
            self._close(Outcome.STALLED if stalled else Outcome.FAILED_BY_DEVICE)

    def resetReceived(self) -> None:
        """The program reads no more: nobody wants what the target still sends."""
        if self._state is not RelayState.CLOSED:
            self._abort_socket()
            self._close(Outcome.LEFT_BY_DEVICE)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._state is RelayState.CLOSED:
            return  # this side let it go
        # All that the device had to say has been handed to the target: it may keep it. Anything
        # else must not look whole.
        if self._state is RelayState.DEVICE_ENDED:
            self._socket.close()
        else:
            self._abort_socket()
        self._put_away(_found_in(reason.value))

    # --- on the way to the target

    def target_looked_up(self) -> None:
        self._substream.emit(conversation.LOOKED_UP)

    def target_connected(self, address: Address) -> None:
        self.touch()
        self._record.address = str(address)
        self._substream.emit(conversation.CONNECTED)

    def target_secured(self) -> None:
        self._substream.emit(conversation.SECURED)

    def _stands(self, target: Target) -> None:
        self._target = target
        self._opening = None
        self._substream.takes_sequences = True
        self._move(RelayInput.STANDS)
        # Written before there is anyone to pause: who is paused now and resumed below, TLS
        # would hold for paused ever after.
        early, self._early = self._early, None
        if early is not None and (data := early.hand_over()):
            self._write((data,))
        target.pace(self._from_device)
        self._substream.registerProducer(self._from_target, True)
        self._traffic.target_comes()
        if early is not None and early.ended:
            self.readConnectionLost()
        self._from_device.remove(Why.OPENING)

    def pause_device(self) -> None:
        self._substream.pauseProducing()

    def resume_device(self) -> None:
        self._break_silence()  # while it was paused the silence was not its own
        self._substream.resumeProducing()

    def pause_target(self) -> None:
        if self._target is not None:
            self._target.pause()

    def resume_target(self) -> None:
        self._break_silence()
        if self._target is not None:
            self._target.resume()

    def _not_opened(self, failure: Failure) -> None:
        match failure.value:
            case TargetError() as why:
                self._record.address = why.address or self._record.address
                self._record.rule = why.rule
                self._fail(str(why), why.outcome)
            case CancelledError():
                pass  # by `_put_away`
            case _:
                self._log.failure(
                    "a target could not be opened",
                    failure=failure,
                    error=ErrorCode.INTERNAL_ERROR.value,
                )
                self._fail_with("connect", Outcome.INTERNAL_ERROR)

    # --- from the target

    def target_received(self, data: BytesLike) -> None:
        self.touch()
        if not self._traffic.may_pass_to_device(len(data)):
            self._fail_with("read", Outcome.QUOTA_SPENT)
            return
        self._record.bytes_from_target += len(data)
        self._substream.write(data)
        if self._target is not None:
            self._target.read_at_most(self._context.reading.next_bytes())

    def target_ended(self) -> None:
        if self._state is RelayState.DEVICE_ENDED:
            self._finish(Outcome.ENDED)  # `end` and `close` as one
            return
        self._end_substream()
        if self._context.half_close:
            self._move(RelayInput.TARGET_END)
        else:
            self._finish_after_what_is_held()

    def _finish_after_what_is_held(self) -> None:
        """An original device takes the target's end for the end of both directions."""
        self._socket.unpace()
        self._from_device.end()  # hands on what was held for the target, at once
        if self._state is not RelayState.CLOSED:
            self._finish(Outcome.ENDED)

    def target_lost(self, loss: TargetLoss) -> None:
        self._target = None
        message, outcome = nodewords.LOSSES[loss]
        if message is None:
            self._close(outcome)
        elif loss is TargetLoss.RESET and self._state is RelayState.TARGET_ENDED:
            self._fail(nodewords.WRITE_BROKEN, outcome)
        else:
            self._fail(message, outcome)

    # --- both

    @property
    def _socket(self) -> Target:
        return cast("Target", self._target)

    def _write(self, pieces: Sequence[BytesLike]) -> None:
        nbytes = sum(map(len, pieces))
        self._record.bytes_from_device += nbytes
        self._context.reading.came(nbytes, self._last_bytes)
        self._last_bytes = nbytes
        self._socket.write(pieces)

    def touch(self) -> None:
        if self._idle is not None:
            self._idle.touch()
        self._break_silence()

    def _break_silence(self) -> None:
        if self._silence is not None:
            self._silence.touch()

    def _silent_too_long(self) -> None:
        if self._traffic.waits:
            self._break_silence()
            return
        self._fail_with("read", Outcome.SILENT_TOO_LONG)

    def _tell_idle(self) -> None:
        self._substream.emit(conversation.IDLE)

    def _finish(self, outcome: Outcome) -> None:
        """All is done: the target gets what is still on its way there."""
        self._socket.close()
        self._close(outcome)

    def _fail_with(self, system_call: str, outcome: Outcome) -> None:
        self._fail(f"{system_call} {outcome.device_error}", outcome)

    def _fail(self, message: str, outcome: Outcome) -> None:
        self._substream.fail(message)
        self._abort_socket()
        self._close(outcome)

    def _abort_socket(self) -> None:
        if self._target is not None:
            self._target.abort()

    def _end_substream(self) -> None:
        self._substream.unregisterProducer()  # `end` would wait for it
        self._substream.loseWriteConnection()

    def _close(self, outcome: Outcome) -> None:
        """The last that is said on this substream."""
        self._put_away(outcome)
        self._substream.together(self._say_closed)

    def _say_closed(self) -> None:
        self._end_substream()
        self._substream.emit(conversation.CLOSED)
        self._substream.release()

    def _put_away(self, outcome: Outcome) -> None:
        self._move(RelayInput.CLOSE)
        if self._idle is not None:
            self._idle.disarm()
        if self._silence is not None:
            self._silence.disarm()
        if self._opening is not None:
            self._opening.cancel()
        if self._early is not None:
            self._early.hand_over()
        self._traffic.end()
        self._context.usage.close_substream(self._target)
        self._record.close(self._context.clock.seconds(), outcome)


def _found_in(lost: BaseException | None) -> Outcome:
    """Why the substream is gone, though neither end of it said so."""
    if not isinstance(lost, TunnelLostError):
        return Outcome.INTERNAL_ERROR
    if isinstance(lost.__cause__, ReplacedError):
        return Outcome.TUNNEL_REPLACED
    return Outcome.TUNNEL_LOST
