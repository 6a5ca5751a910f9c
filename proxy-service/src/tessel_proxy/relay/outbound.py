"""One substream of a device and its connection to a target (docs/wire.md, layer 4, steps 4 to 9).

Here are the device's events and the opening of the target. The states are in a table (states.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import assert_never

from twisted.internet.interfaces import IHalfCloseableProtocol, ITransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import conversation
from streamplex.conversation import BadRequestError, ConnectRequest
from streamplex.jsontext import Json
from streamplex.messages import BytesLike
from streamplex.tx import ISubstreamProtocol, ITakesSequences
from tessel_proxy.records.ends import Outcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.relay.backpressure import Why
from tessel_proxy.relay.early_data import PAUSE_BYTES
from tessel_proxy.relay.states import TRANSITIONS, RelayInput, RelayState
from tessel_proxy.relay.target_side import TargetSide, outcome_of
from tessel_proxy.targets import node_errors
from tessel_proxy.targets.node_errors import TargetError
from tessel_proxy.targets.target import Target
from tessel_service_kit.idle_timer import IdleTimer


@implementer(ISubstreamProtocol, ITakesSequences, IHalfCloseableProtocol)
class Outbound(TargetSide):
    """The protocol of one substream: connects to the target and relays bytes in both directions."""

    _log = Logger()

    def makeConnection(self, transport: ITransport) -> None:
        """Called when the substream is attached: begins to read from the device."""
        self.transport = transport
        self._substream = transport  # type: ignore[assignment]  # what it is attached to
        # One piece at a time, so that early data stays below the limit that pauses the device.
        self._substream.takes_sequences = False
        if self._traffic is not None:
            self._traffic.start_device()

    # --- from the device

    def customReceived(self, name: str, args: tuple[Json, ...]) -> None:
        """Called with an event of the device: opens the target, or sets the idle timeout.

        Unknown events are ignored. A malformed event ends the substream.
        """
        if self._state is RelayState.CLOSED:
            return
        try:
            match name:
                case conversation.CONNECT:
                    self._connect(conversation.decode_connect(args))
                case conversation.IDLE_TIMEOUT:
                    self._set_timeout(conversation.decode_idle_timeout(args) / 1000)
                case _:
                    self._log.debug("unknown event {name} ignored", name=name)
        except BadRequestError as fault:
            self._fail(str(fault), Outcome.BAD_REQUEST)

    def _connect(self, request: ConnectRequest) -> None:
        if self._state is not RelayState.WAITING:
            raise BadRequestError(node_errors.SECOND_CONNECT)
        self._state = TRANSITIONS[self._state][RelayInput.CONNECT]
        self._record.target = str(request)
        # Data in the same read may be for the target: it then goes there in one write.
        self._substream.behind(partial(self._open, request))

    def _open(self, request: ConnectRequest) -> None:
        if self._state is not RelayState.OPENING:
            return
        context = self._context
        trace = self._record.trace
        try:
            opening = context.opener.open(
                request, self._kind, context.account, self._record.of.tunnel, self, trace=trace
            )
        except Exception:  # noqa: BLE001 -- as an errback gets any
            self.target_not_opened(Failure())
            return
        if self._state is RelayState.OPENING:
            self._opening = opening

    def _set_timeout(self, limit_s: float) -> None:
        if self._idle is None:
            self._idle = IdleTimer(self._context.clock, self._report_idle)
            self._is_timed = True
        if limit_s:
            self._idle.arm(limit_s)
        else:
            self._idle.disarm()

    def dataReceived(self, data: BytesLike) -> None:
        """Called with one piece of data from the device: does as `dataSequenceReceived`."""
        self.dataSequenceReceived((data,))

    def dataSequenceReceived(self, pieces: Sequence[BytesLike]) -> None:
        """Called with data from the device: writes it to the target.

        Data is kept until the target is connected. The substream fails if the account's daily quota
        or the limit of early data is exceeded.
        """
        if self._is_timed:
            self.touch()
        match self._state:
            case RelayState.DEVICE_ENDED | RelayState.CLOSED:
                pass
            case _ if self._traffic is not None and not self._traffic.may_pass_to_target(
                sum(map(len, pieces))
            ):
                self._fail_with("read", Outcome.QUOTA_SPENT)
            case RelayState.WAITING | RelayState.OPENING:
                self._keep(pieces)
            case RelayState.RELAYING | RelayState.TARGET_ENDED:
                self._write(pieces)
            case _:
                assert_never(self._state)

    def _keep(self, pieces: Sequence[BytesLike]) -> None:
        context, nbytes = self._context, sum(map(len, pieces))
        if nbytes > context.early_bytes_left:
            self._fail_with("write", Outcome.TOO_MUCH_EARLY_DATA)
            return
        context.early_bytes_left -= nbytes
        if self._early is None:
            self._early = bytearray()  # one buffer for all pieces
        for piece in pieces:
            self._early += piece
        if self._state is RelayState.OPENING and len(self._early) >= PAUSE_BYTES:
            self._device_pauses.add(Why.OPENING)

    def readConnectionLost(self) -> None:
        """Called when the device ends its direction: ends the target's direction, or both."""
        match self._state:
            case RelayState.WAITING | RelayState.OPENING:
                self._ended_early = True
            case RelayState.RELAYING:
                self._state = TRANSITIONS[self._state][RelayInput.DEVICE_END]
                self._target.half_close()
            case RelayState.TARGET_ENDED:
                self._finish(Outcome.ENDED)
            case RelayState.DEVICE_ENDED | RelayState.CLOSED:
                pass
            case _:
                assert_never(self._state)

    def writeConnectionLost(self) -> None:
        """Called when the proxy's `end` was sent: does nothing; `close` may follow much later."""

    def errorReceived(self, message: str) -> None:  # noqa: ARG002 -- the device's text is not logged
        """Called when the device reports an error: resets the target and ends the substream."""
        if self._state is not RelayState.CLOSED:
            self._target.abort()
            stalled = self._substream.stalled
            self._close(Outcome.STALLED if stalled else Outcome.FAILED_BY_DEVICE)

    def resetReceived(self) -> None:
        """Called when the program reads no more: resets the target and ends the substream."""
        if self._state is not RelayState.CLOSED:
            self._target.abort()
            self._close(Outcome.LEFT_BY_DEVICE)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when the substream is lost: closes the target, or resets it if data was cut."""
        if self._state is RelayState.CLOSED:
            return  # this side ended it
        # If the device had ended its data, the target has all of it. Otherwise the connection is
        # reset, so that cut data does not look complete.
        if self._state is RelayState.DEVICE_ENDED:
            self._target.close()
        else:
            self._target.abort()
        self._clean_up(outcome_of(reason.value))

    # --- on the way to the target; OpeningOwner explains the methods

    def target_looked_up(self) -> None:
        """Called when the target's name is resolved: reports it to the device."""
        self._substream.emit(conversation.LOOKED_UP)

    def target_connected(self, address: str) -> None:
        """Called when the TCP connection to the target is open: reports it to the device.

        The address is recorded for the log.
        """
        if self._is_timed:
            self.touch()
        self._record.address = address
        self._substream.emit(conversation.CONNECTED)

    def target_secured(self) -> None:
        """Called when the TLS handshake with the target is complete: notifies the device."""
        self._substream.emit(conversation.SECURED)

    def target_opened(self, target: Target) -> None:
        """Called when the target is ready: writes early data, and relays from now on."""
        self._target = target
        self._opening = None
        self._substream.takes_sequences = True
        self._state = TRANSITIONS[self._state][RelayInput.CONNECTED]
        if self._early is not None:
            self._write((self._take_early(),))
        if self._traffic is not None:
            self._traffic.start_target()
        if self._ended_early:
            self.readConnectionLost()
        if self._from_device is not None:
            self._from_device.remove(Why.OPENING)

    def target_not_opened(self, failure: Failure) -> None:
        """Called when the target cannot be reached: ends the substream with an error."""
        self._opening = None
        match failure.value:
            case TargetError() as why:
                self._record.address = why.address or self._record.address
                self._record.rule = why.rule
                self._fail(str(why), why.outcome)
            case _:
                self._log.failure(
                    "internal error while a target was opened",
                    failure=failure,
                    error=ErrorCode.INTERNAL_ERROR.value,
                )
                self._fail_with("connect", Outcome.INTERNAL_ERROR)

    def _report_idle(self) -> None:
        self._substream.emit(conversation.IDLE)
