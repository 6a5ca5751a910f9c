"""Commands and their answers, one after the other, and what the chip says of itself.

The chip does one thing at a time: what is asked meanwhile waits its turn. A chip that does not
answer in time, or talks nonsense, is switched off; who waits for it is told why, and who watches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
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
from tessel.cc3000.hci.packets import DataPacket, EventPacket, Packet, PatchPacket
from tessel.cc3000.hci.replies import Reply, Sent
from tessel.cc3000.hci.sockets import Connect, GetHostByName, Receive, Select, Send
from tessel.cc3000.hci.wlan import ReadBufferSize, Start
from tessel.cc3000.link import SpiLink
from tessel.cc3000.spi import ReadStyle

ANSWER_TIMEOUT_S = 10.0
"""TI's driver waits as long for the slowest commands; a real chip took 1.2 s for the slowest."""

CONNECT_TIMEOUT_S = 75.0
"""TCP's own patience with a peer that is silent; the chip answers when it has run out."""

NAME_TIMEOUT_S = 30.0

SECOND_ANSWER_TIMEOUT_S = 1.0
"""After a late "socket inactive" for a send, the answer proper follows at once, if it does."""

R = TypeVar("R", bound=Reply)

_log = Logger(namespace="tessel.cc3000")


class Driver:
    def __init__(
        self, bus: IBus, clock: IReactorTime, style: ReadStyle = ReadStyle.BY_PACKET
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._link = SpiLink(bus, clock, self._packet_came, self._broken, style)
        self._queue: deque[_Call] = deque()
        self._current: _Call | None = None
        self._limit: IDelayedCall | None = None
        self._watchers: list[Callable[[Unsolicited], None]] = []
        self._loss_watchers: list[Callable[[ChipError], None]] = []
        self.running = False
        self.buffers = SendBuffers()

    # For those above.

    async def start(self, patches: int = 0) -> None:
        """Switch the chip on. Raises ChipError; it is off then."""
        self.stop()
        try:
            await self._start(Start(patches))
        except ChipError as error:
            self._give_up(error)
            raise

    async def _start(self, first: Start) -> None:
        call = _Call(first, _encoded(first))
        self._current = call  # the answer may be there before power_up returns
        try:
            await self._link.power_up(call.nbytes)
        except ChipError:
            call.answer.addErrback(lambda _: None)  # this tells it
            raise
        if not call.answer.called:
            self._limit = self._clock.callLater(ANSWER_TIMEOUT_S, self._too_late, call)
        await call.answer
        size, _ = await self._asked(ReadBufferSize())
        self.buffers.reset(size.count)
        self.running = True

    def stop(self) -> None:
        """Switch the chip off. All who wait get PowerOffError."""
        self._give_up(PowerOffError("the chip was switched off"))

    def abandon(self, error: ChipError) -> None:
        """The chip is of no use any more, and why. As if it had fallen silent."""
        self._broken(error)

    def close(self) -> None:
        """As stop; the bus is given back."""
        self.stop()
        self._bus.close()

    @property
    def is_blocked(self) -> bool:
        """The chip is at a command that may take long, and does nothing else meanwhile."""
        return self._current is not None and isinstance(
            self._current.message, Connect | GetHostByName
        )

    async def call(self, message: Message[R]) -> R:
        """What the chip answers. Raises ChipError."""
        reply, _ = await self.fetch(message)
        return reply

    async def fetch(self, message: Message[R]) -> tuple[R, DataPacket | None]:
        """The answer, and the data packet that follows it if it says so. Raises ChipError."""
        if not self.running:
            raise PowerOffError("the chip is off")
        return await self._asked(message)

    async def _asked(self, message: Message[R]) -> tuple[R, DataPacket | None]:
        call = _Call(message, _encoded(message))  # raises where it cannot be: the chip goes on
        self._queue.append(call)
        self._send_next()
        if call.answered is not None:
            return call.answered
        return await call.answer

    def watch(self, told: Callable[[Unsolicited], None]) -> Callable[[], None]:
        """Be told what the chip says of itself; call what is returned to be told no more."""
        self._watchers.append(told)
        return lambda: self._watchers.remove(told)

    def watch_loss(self, gone: Callable[[ChipError], None]) -> Callable[[], None]:
        """Be told when a chip that ran runs no more: PowerOffError if someone wanted it."""
        self._loss_watchers.append(gone)
        return lambda: self._loss_watchers.remove(gone)

    # Towards the chip.

    def _send_next(self) -> None:
        if self._current is None and self._queue:
            call = self._current = self._queue.popleft()
            self._link.write(call.nbytes)
            if self._current is call:  # else the chip has answered already
                self._await(call, patience_s(call.message))

    def _await(self, call: _Call, seconds: float) -> None:
        self._limit = self._clock.callLater(seconds, self._too_late, call)

    def _too_late(self, call: _Call) -> None:
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
            told = unsolicited(packet)
            if told is None:
                self._answer_came(packet)
            else:
                self._told(told)
        else:
            raise FrameError(f"{type(packet).__name__} from a chip")

    def _answer_came(self, packet: EventPacket) -> None:
        call = self._current
        if call is None or call.reply is not None or packet.opcode != call.message.ANSWER:
            _log.debug("an answer nobody waits for: {opcode:#06x}", opcode=packet.opcode)
            return
        try:
            call.reply = call.message.read_reply(packet)
        except FrameError as fault:
            # What the command did is not known: nothing can be relied on any more.
            raise NoiseError(f"the answer to {type(call.message).__name__}: {fault}") from fault
        if call.message.follows(call.reply) is None:
            self._finish(call, None)

    def _data_came(self, packet: DataPacket) -> None:
        call = self._current
        if call is None or call.reply is None or packet.opcode != call.message.follows(call.reply):
            _log.debug("data nobody waits for: {opcode:#04x}", opcode=packet.opcode)
            return
        self._finish(call, packet)

    def _told(self, event: Unsolicited) -> None:
        match event:
            case FreeBuffers(freed):
                self.buffers.freed(freed)
            case PatchRequest(kind):
                self._link.write(PatchPacket(kind).encode())  # there is none
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

    def _not_sent(self, call: _Call, sd: int) -> None:
        self._limit = None
        call.reply = Sent(sd, Code.INACTIVE)
        self._finish(call, None)

    def _finish(self, call: _Call, data: DataPacket | None) -> None:
        self._stop_limit()
        self._current = None
        call.answered = call.reply, data
        call.answer.callback(call.answered)
        self._send_next()

    # The end.

    def _broken(self, error: ChipError) -> None:
        _log.warn("the chip is lost: {error}", error=error)
        self._give_up(error)

    def _give_up(self, error: ChipError) -> None:
        was_running, self.running = self.running, False
        self._stop_limit()
        try:
            self._link.power_down()
        except BusError as fault:
            _log.warn("the chip could not be switched off: {fault}", fault=fault)
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


def _encoded(message: Message[Any]) -> bytes:
    if isinstance(message, Receive | Select):
        return _encoded_again(message)
    return message.packet().encode()


@lru_cache(
    maxsize=64
)  # of four sockets, with their sizes and sets: these are asked for all the time
def _encoded_again(message: Receive | Select) -> bytes:
    return message.packet().encode()


class _Call:
    """A command that waits for its turn, or for its answer."""

    def __init__(self, message: Message[Any], data: bytes) -> None:
        self.message = message
        self.nbytes = data
        self.reply: Reply | None = None
        self.answered: tuple[Any, DataPacket | None] | None = None
        self.answer: Deferred[tuple[Any, DataPacket | None]] = Deferred()


def patience_s(message: Message[Any]) -> float:
    """How long the chip may take for this before it counts as silent."""
    match message:
        case Connect():
            return CONNECT_TIMEOUT_S
        case GetHostByName():
            return NAME_TIMEOUT_S
        case Select(timeout_us=int(micros)):
            return ANSWER_TIMEOUT_S + micros / 1e6
        case _:
            return ANSWER_TIMEOUT_S
