"""The target's side of one substream: its data, its end, and the end of the whole substream.

The states are in a table (states.py). However a substream ends, the device gets `end` and `close`
and the closing log line is written, once.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.protocol import Protocol

from streamplex import TunnelLostError, conversation
from streamplex.conversation import SubstreamKind
from streamplex.messages import BytesLike
from streamplex.spaced import SpacedData
from streamplex.tx import Substream
from tessel_proxy.records.accounting import ReplacedError, SubstreamRecord
from tessel_proxy.records.ends import Outcome
from tessel_proxy.relay.backpressure import FromDevice, FromTarget, Why
from tessel_proxy.relay.states import TRANSITIONS, RelayInput, RelayState
from tessel_proxy.relay.traffic import Traffic
from tessel_proxy.relay.tunnel_context import TunnelContext
from tessel_proxy.targets import node_errors
from tessel_proxy.targets.target import NO_TARGET, TargetLoss, UnderWay
from tessel_service_kit.idle_timer import IdleTimer


class TargetSide(Protocol):
    """The target's half of Outbound: relays from the target to the device, and ends the substream.

    Outbound adds the device's events. This is a base class and no object of its own, so that a
    relayed byte costs no further call.
    """

    _substream: Substream  # the transport, with its class

    def __init__(
        self, context: TunnelContext, kind: SubstreamKind, record: SubstreamRecord
    ) -> None:
        self._context = context
        self._kind = kind
        self._record = record
        self._state = RelayState.WAITING
        self._early: bytearray | None = None  # data that arrives before the target is connected
        self._ended_early = False  # the device has ended its direction before that
        self._idle: IdleTimer | None = None  # of the device's `_pls_timeout`
        self._silence: IdleTimer | None = None  # of SUBSTREAM_IDLE_S
        self._is_timed = False  # whether there is one of these timers
        if context.idle_s:
            self._silence = IdleTimer(context.clock, self._idle_timeout)
            self._silence.arm(context.idle_s)
            self._is_timed = True
        self._opening: UnderWay | None = None
        self._is_paced = False  # whether the target pauses while too much waits for the device
        self._last_bytes = 0  # size of the last piece of data from the device
        self._target = NO_TARGET
        self._from_device: FromDevice | None = None  # until there is a reason to pause
        self._from_target: FromTarget | None = None
        self._traffic: Traffic | None = None  # if the account's bytes are limited
        if context.usage.counts_bytes:
            self._traffic = Traffic(context.usage, self._device_pauses, self._target_pauses)

    @property
    def _device_pauses(self) -> FromDevice:
        if self._from_device is None:
            self._from_device = FromDevice(self)
        return self._from_device

    @property
    def _target_pauses(self) -> FromTarget:
        if self._from_target is None:
            self._from_target = FromTarget(self)
        return self._from_target

    def pause_device(self) -> None:
        """Stop reading from the device."""
        self._substream.pauseProducing()

    def resume_device(self) -> None:
        """Read from the device again, and restart the timeout SUBSTREAM_IDLE_S."""
        self._break_silence()  # while paused, it could send nothing
        self._substream.resumeProducing()

    def pause_target(self) -> None:
        """Stop reading from the target."""
        self._target.pause()

    def resume_target(self) -> None:
        """Read from the target again, and restart the timeout SUBSTREAM_IDLE_S."""
        self._break_silence()
        self._target.resume()

    def target_received(self, data: BytesLike | SpacedData) -> None:
        """Called with data from the target: writes it to the device.

        The substream fails if the account's daily quota is used up.
        """
        if self._is_timed:
            self.touch()
        if self._traffic is not None and not self._traffic.may_pass_to_device(len(data)):
            self._fail_with("read", Outcome.QUOTA_SPENT)
            return
        self._record.bytes_from_target += len(data)
        waiting_bytes = self._substream.write(data)
        if waiting_bytes and not self._is_paced:
            self._pace()
        self._target.read_at_most(self._context.reading.next_bytes())

    def _pace(self) -> None:
        # Not before something waits: few connections ever have so much to send.
        self._is_paced = True
        self._substream.registerProducer(self._target_pauses, True)

    def target_ended(self) -> None:
        """Called when the target ends its direction: ends the device's direction.

        The whole substream ends if the device has ended its own, or does not support halfclose/1.
        """
        if self._state is RelayState.DEVICE_ENDED:
            self._finish(Outcome.ENDED)  # `end` and `close` as one
            return
        self._end_substream()
        if self._context.half_close:
            self._state = TRANSITIONS[self._state][RelayInput.TARGET_END]
        else:
            self._finish_after_held_data()

    def _finish_after_held_data(self) -> None:
        """End both directions: an original device knows no half-closed sockets."""
        if self._from_device is not None:
            self._from_device.end()  # writes the data held for the target
        if self._state is not RelayState.CLOSED:
            self._finish(Outcome.ENDED)

    def target_lost(self, loss: TargetLoss) -> None:
        """Called when the connection to the target is lost: ends the substream.

        The device gets an error if `loss` is one.
        """
        self._target = NO_TARGET
        message, outcome = node_errors.LOSSES[loss]
        if message is None:
            self._close(outcome)
        elif loss is TargetLoss.RESET and self._state is RelayState.TARGET_ENDED:
            self._fail(node_errors.WRITE_BROKEN, outcome)
        else:
            self._fail(message, outcome)

    def target_is_full(self) -> None:
        """Called when written bytes wait for the target: pauses the device."""
        self._device_pauses.add(Why.FULL)

    def target_has_room(self) -> None:
        """Called when all written bytes are sent, which is activity: reads from the device."""
        self.touch()
        if self._from_device is not None:
            self._from_device.remove(Why.FULL)

    def _write(self, pieces: Sequence[BytesLike]) -> None:
        nbytes = sum(map(len, pieces))
        self._record.bytes_from_device += nbytes
        self._context.reading.came(nbytes, self._last_bytes)
        self._last_bytes = nbytes
        self._target.write_pieces(pieces)

    def _take_early(self) -> bytes:
        """Return all early data, and give its bytes back to the tunnel's allowance."""
        early, self._early = self._early, None
        self._context.early_bytes_left += len(early or b"")
        return bytes(early or b"")

    def touch(self) -> None:
        """Restart the idle timeouts, because data moved."""
        if self._idle is not None:
            self._idle.touch()
        if self._silence is not None:
            self._silence.touch()

    def _break_silence(self) -> None:
        if self._silence is not None:
            self._silence.touch()

    def _idle_timeout(self) -> None:
        if self._traffic is not None and self._traffic.waits:
            self._break_silence()
            return
        self._fail_with("read", Outcome.SILENT_TOO_LONG)

    def _finish(self, outcome: Outcome) -> None:
        """Close the target's connection after the data that waits for it, and end the substream."""
        self._target.close()
        self._close(outcome)

    def _fail_with(self, system_call: str, outcome: Outcome) -> None:
        self._fail(f"{system_call} {outcome.device_error}", outcome)

    def _fail(self, message: str, outcome: Outcome) -> None:
        self._substream.fail(message)
        self._target.abort()
        self._close(outcome)

    def _end_substream(self) -> None:
        if self._is_paced:
            self._substream.unregisterProducer()  # `end` would wait for it
        self._substream.loseWriteConnection()

    def _close(self, outcome: Outcome) -> None:
        """End the substream, and report it to the device."""
        self._clean_up(outcome)
        self._substream.close_with(conversation.CLOSED)

    def _clean_up(self, outcome: Outcome) -> None:
        self._state = TRANSITIONS[self._state][RelayInput.CLOSE]
        for timer in (self._idle, self._silence):
            if timer is not None:
                timer.disarm()
        self._idle = self._silence = None  # they refer to this object
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
        if self._early is not None:
            self._take_early()
        if self._traffic is not None:
            self._traffic.end()
        for pauses in (self._from_device, self._from_target):
            if pauses is not None:
                pauses.let_go()
        self._context.usage.close_substream(self._target)
        self._record.close(self._context.clock.seconds(), outcome)


def outcome_of(lost: BaseException | None) -> Outcome:
    """Return how a substream ended that was lost with the exception `lost`."""
    if not isinstance(lost, TunnelLostError):
        return Outcome.INTERNAL_ERROR
    if isinstance(lost.__cause__, ReplacedError):
        return Outcome.TUNNEL_REPLACED
    return Outcome.TUNNEL_LOST
