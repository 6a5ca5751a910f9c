"""Sends commands to the chip one after the other, and receives their answers and its events.

The chip does one thing at a time, so commands wait in a queue. A chip that does not answer in time,
or answers nonsense, is switched off: all commands that wait fail, and the watchers are notified.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tessel.cc3000.buffers import SendBuffers
from tessel.cc3000.bus import IBus
from tessel.cc3000.errors import (
    BusError,
    ChipError,
    FrameError,
    NoiseError,
    PowerOffError,
    SilentError,
)
from tessel.cc3000.hci import packets
from tessel.cc3000.hci.codes import Code
from tessel.cc3000.hci.command import Message
from tessel.cc3000.hci.events import FreeBuffers, PatchRequest, SendFailed, Unsolicited, unsolicited
from tessel.cc3000.hci.names import GetHostByName
from tessel.cc3000.hci.packets import DataPacket, EventPacket, Packet, PatchPacket
from tessel.cc3000.hci.replies import Reply, Sent
from tessel.cc3000.hci.sockets import Connect, Send
from tessel.cc3000.hci.wlan import ReadBufferSize, Start
from tessel.cc3000.link import SpiLink
from tessel.cc3000.pending_command import ANSWER_TIMEOUT_S, PendingCommand, answer_timeout_s
from tessel.cc3000.spi import ReadStyle

SECOND_ANSWER_TIMEOUT_S = 1.0
"""Seconds to wait for the answer to a send after the chip reported that its socket is dead. If the
chip answers at all, it does so at once."""

R = TypeVar("R", bound=Reply)

_log = Logger(namespace="tessel.cc3000")


class Driver:
    """Sends commands to a CC3000 on a bus, one at a time, and receives answers and events.

    `running` is True from the end of `start` until the chip is stopped or lost.
    """

    def __init__(
        self, bus: IBus, clock: IReactorTime, style: ReadStyle = ReadStyle.BY_PACKET
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._link = SpiLink(bus, clock, self._packet_came, self._broken, style)
        self._queue: deque[PendingCommand] = deque()
        self._current: PendingCommand | None = None
        self._limit: IDelayedCall | None = None
        self._watchers: list[Callable[[Unsolicited], None]] = []
        self._loss_watchers: list[Callable[[ChipError], None]] = []
        self.running = False
        self.buffers = SendBuffers()

    # For the users of the driver.

    async def start(self, patches: int = 0) -> None:
        """Switch the chip on and send it `Start`; return when it is ready for commands.

        `patches` is the argument of `Start`. Raises ChipError; the chip is off then.
        """
        self.stop()
        try:
            await self._start(Start(patches))
        except ChipError as error:
            self._give_up(error)
            raise

    async def _start(self, first: Start) -> None:
        call = PendingCommand(first)
        self._current = call  # the answer may be there before power_up returns
        try:
            await self._link.power_up(call.data)
        except ChipError:
            call.answer.addErrback(lambda _: None)  # the same error is raised here
            raise
        if not call.answer.called:
            self._limit = self._clock.callLater(ANSWER_TIMEOUT_S, self._too_late, call)
        await call.answer
        size, _ = await self._asked(ReadBufferSize())
        self.buffers.reset(size.count)
        self.running = True

    def stop(self) -> None:
        """Switch the chip off. Waiting commands fail with PowerOffError."""
        self._give_up(PowerOffError("the chip was switched off"))

    def abandon(self, error: ChipError) -> None:
        """Switch the chip off after a fault. Waiting commands fail with `error`."""
        self._broken(error)

    def close(self) -> None:
        """Switch the chip off and close the bus."""
        self.stop()
        self._bus.close()

    @property
    def is_blocked(self) -> bool:
        """True while the chip works on a connect or a name look-up and does nothing else."""
        return self._current is not None and isinstance(
            self._current.message, Connect | GetHostByName
        )

    async def call(self, message: Message[R]) -> R:
        """Send a command and return the chip's decoded answer. Raises ChipError."""
        reply, _ = await self.fetch(message)
        return reply

    async def fetch(self, message: Message[R]) -> tuple[R, DataPacket | None]:
        """Send a command; return its answer and the data packet after it, or None without one.

        Raises ChipError.
        """
        if not self.running:
            raise PowerOffError("the chip is off")
        return await self._asked(message)

    async def _asked(self, message: Message[R]) -> tuple[R, DataPacket | None]:
        call = PendingCommand(message)  # an error here leaves the chip undisturbed
        self._queue.append(call)
        self._send_next()
        if call.answered is not None:
            return call.answered
        return await call.answer

    def watch(self, event_came: Callable[[Unsolicited], None]) -> Callable[[], None]:
        """Call `event_came` with each event that does not answer a command.

        Returns a function that ends the watch.
        """
        self._watchers.append(event_came)
        return lambda: self._watchers.remove(event_came)

    def watch_loss(self, gone: Callable[[ChipError], None]) -> Callable[[], None]:
        """Call `gone` with the reason when a running chip stops.

        The reason is PowerOffError if the chip was switched off by `stop`. Returns a function that
        ends the watch.
        """
        self._loss_watchers.append(gone)
        return lambda: self._loss_watchers.remove(gone)

    # Towards the chip.

    def _send_next(self) -> None:
        if self._current is None and self._queue:
            call = self._current = self._queue.popleft()
            self._link.write(call.data)
            if self._current is call:  # else the chip has answered already
                self._await(call, answer_timeout_s(call.message))

    def _await(self, call: PendingCommand, seconds: float) -> None:
        self._limit = self._clock.callLater(seconds, self._too_late, call)

    def _too_late(self, call: PendingCommand) -> None:
        self._limit = None
        self._broken(SilentError(f"no answer to {type(call.message).__name__}"))

    # From the chip.

    def _packet_came(self, data: bytes) -> None:
        try:
            self._sort(packets.decode(data))
        except FrameError as fault:
            self._link.unreadable(fault)
        else:
            self._link.readable()

    def _sort(self, packet: Packet) -> None:
        if isinstance(packet, DataPacket):
            self._data_came(packet)
        elif isinstance(packet, EventPacket):
            event = unsolicited(packet)
            if event is None:
                self._answer_came(packet)
            else:
                self._event_came(event)
        else:
            raise FrameError(f"a chip does not send a {type(packet).__name__}")

    def _answer_came(self, packet: EventPacket) -> None:
        call = self._current
        if call is None or call.reply is not None or packet.opcode != call.message.ANSWER:
            _log.debug("an answer that no command waits for: {opcode:#06x}", opcode=packet.opcode)
            return
        try:
            call.reply = call.message.read_reply(packet)
        except FrameError as fault:
            # The effect of the command is unknown, so the chip's state is, too.
            raise NoiseError(f"the answer to {type(call.message).__name__}: {fault}") from fault
        if call.message.follows(call.reply) is None:
            self._finish(call, None)

    def _data_came(self, packet: DataPacket) -> None:
        call = self._current
        if call is None or call.reply is None or packet.opcode != call.message.follows(call.reply):
            _log.debug(
                "a data packet that no command waits for: {opcode:#04x}", opcode=packet.opcode
            )
            return
        self._finish(call, packet)

    def _event_came(self, event: Unsolicited) -> None:
        match event:
            case FreeBuffers(freed):
                self.buffers.freed(freed)
            case PatchRequest(kind):
                self._link.write(
                    PatchPacket(kind).encode()
                )  # an empty one: the host has no patches
            case SendFailed(sd):
                self._send_failed(sd)
            case _:
                pass
        for watcher in list(self._watchers):
            watcher(event)

    def _send_failed(self, sd: int) -> None:
        call = self._current
        if call is None or not isinstance(call.message, Send) or call.message.sd != sd:
            return
        self._stop_limit()
        self._limit = self._clock.callLater(SECOND_ANSWER_TIMEOUT_S, self._not_sent, call, sd)

    def _not_sent(self, call: PendingCommand, sd: int) -> None:
        self._limit = None
        call.reply = Sent(sd, Code.INACTIVE)
        self._finish(call, None)

    def _finish(self, call: PendingCommand, data: DataPacket | None) -> None:
        self._stop_limit()
        self._current = None
        call.answered = call.reply, data
        call.answer.callback(call.answered)
        self._send_next()

    # The end of a run.

    def _broken(self, error: ChipError) -> None:
        _log.warn("the CC3000 is lost: {error}", error=error)
        self._give_up(error)

    def _give_up(self, error: ChipError) -> None:
        was_running, self.running = self.running, False
        self._stop_limit()
        try:
            self._link.power_down()
        except BusError as fault:
            _log.warn("the CC3000 could not be switched off: {fault}", fault=fault)
        waiting = [self._current] if self._current is not None else []
        waiting += self._queue
        self._current = None
        self._queue.clear()
        self.buffers.fail(error)
        for call in waiting:
            call.answer.errback(error)
        for watcher in list(self._loss_watchers) if was_running else []:
            watcher(error)

    def _stop_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None and limit.active():
            limit.cancel()
