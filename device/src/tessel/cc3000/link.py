"""Carries packets to and from the chip over a bus, in turns that nIRQ decides.

There is one operation at a time. Reads go before writes, because the chip may accept a write only
after its packet was read. Whatever the chip does, an operation ends: with a packet or a ChipError.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000 import spi
from tessel.cc3000.bus import IBus, IInstantBus
from tessel.cc3000.errors import ChipError, FrameError, NoiseError, PowerOffError, SilentError
from tessel.cc3000.pause import pause

POWER_OFF_S = 0.05
"""Seconds that VBAT_EN is low before it rises, so that the chip loses its state."""

POWER_UP_TIMEOUT_S = 1.0
"""Seconds until nIRQ must show that the chip has started. A real chip took 63 ms."""

READY_TIMEOUT_S = 1.0
"""Seconds until nIRQ must show that the chip can be written to. A real chip took 0.5 us."""

UNREADABLE_LIMIT = 3
"""Packets in a row that make no sense before the chip counts as lost: the wire is too noisy."""

_Exchange: TypeAlias = Callable[[bytes], bytes]

T = TypeVar("T")

_log = Logger()


class SpiLink:
    """Reads packets from the chip and writes packets to it over a bus.

    It works between `power_up` and `power_down`.
    """

    def __init__(
        self,
        bus: IBus,
        clock: IReactorTime,
        received: Callable[[bytes], None],
        broken: Callable[[ChipError], None],
        style: spi.ReadStyle = spi.ReadStyle.BY_PACKET,
    ) -> None:
        """`received` is called with each packet, `broken` once, with the error at the end."""
        self._bus = bus
        self._clock = clock
        self._received = received
        self._broken = broken
        self._style = style
        self._exchange: _Exchange | None = bus.exchange if IInstantBus.providedBy(bus) else None
        self._outgoing: deque[bytes] = deque()
        self._up = False
        self._busy = False
        self._unreadable = 0
        self._edge: Deferred[None] | None = None  # fires at the next change of nIRQ
        self._pausing: Deferred[None] | None = None

    # Power.

    async def power_up(self, first: bytes) -> None:
        """Switch the chip on, after `power_down`, and write the packet `first` to it.

        Raises ChipError if nIRQ does not show that the chip has started.
        """
        self._bus.watch_irq(self._irq_changed)
        await self._pause(POWER_OFF_S)
        asserted_before = self._bus.irq_asserted()
        self._bus.set_power(True)
        if asserted_before:
            await self._level(
                False, POWER_UP_TIMEOUT_S, "nIRQ stays low with the power off: is it connected?"
            )
        await self._level(
            True, POWER_UP_TIMEOUT_S, "nIRQ does not fall after power-up: does the chip have power?"
        )
        await self._write_first(spi.write_frame(first))
        self._up = True
        self._go_on()

    def power_down(self) -> None:
        """Switch the chip off, end the current operation and drop packets not yet written."""
        self._up = False
        self._outgoing.clear()
        self._bus.watch_irq(None)
        if self._edge is not None:
            waiting, self._edge = self._edge, None
            waiting.errback(PowerOffError("the chip was switched off"))
        if self._pausing is not None:
            self._pausing.cancel()
        self._bus.set_selected(False)
        self._bus.set_power(False)
        self._unreadable = 0

    def write(self, packet: bytes) -> None:
        """Queue a packet; it is written as soon as the chip can be written to."""
        self._outgoing.append(packet)
        self._go_on()

    # Operations.

    def _go_on(self) -> None:
        if not self._up or self._busy:
            return
        self._busy = True
        if self._exchange is None or not self._operate_at_once(self._exchange):
            Deferred.fromCoroutine(self._operate()).addErrback(self._fail)

    async def _operate(self) -> None:
        try:
            while self._up:
                if self._bus.irq_asserted():
                    await self._read()
                elif self._outgoing:
                    await self._write(spi.write_frame(self._outgoing.popleft()))
                else:
                    return
        finally:
            self._busy = False

    async def _write(self, frame: bytes) -> None:
        self._bus.set_selected(True)
        try:
            await self._level(
                True,
                READY_TIMEOUT_S,
                "nIRQ does not fall after nCS: the chip is not ready to be written to",
            )
            await self._bus.transfer(frame)
        finally:
            self._bus.set_selected(False)

    async def _write_first(self, frame: bytes) -> None:
        self._bus.set_selected(True)
        try:
            await self._pause(spi.FIRST_WRITE_PAUSE_S)
            await self._bus.transfer(frame[: spi.FIRST_WRITE_CUT])
            await self._pause(spi.FIRST_WRITE_PAUSE_S)
            await self._bus.transfer(frame[spi.FIRST_WRITE_CUT :])
        finally:
            self._bus.set_selected(False)

    async def _read(self) -> None:
        try:
            packet = spi.packet_read(await self._clock_in())
        except FrameError as fault:
            self.unreadable(fault)
            return
        self._take(packet)

    def _take(self, packet: bytes) -> None:
        if self._up:
            self._received(packet)

    async def _clock_in(self) -> bytes:
        self._bus.set_selected(True)
        try:
            first = await self._transfer(spi.FIRST_BURST)
            rest = spi.rest_burst(first, self._style)
            return first + await self._transfer(rest) if rest else first
        finally:
            self._bus.set_selected(False)

    async def _transfer(self, mosi: bytes) -> bytes:
        miso = await self._bus.transfer(mosi)
        if len(miso) != len(mosi):
            raise FrameError(f"{len(mosi)} bytes were sent, and {len(miso)} came back")
        return miso

    # The same on a bus that takes no time.

    def _operate_at_once(self, exchange: _Exchange) -> bool:
        """Do everything there is to do. False: the chip is not ready, and must be waited for."""
        try:
            while self._up:
                if self._bus.irq_asserted():
                    self._read_at_once(exchange)
                elif self._outgoing:
                    if not self._write_at_once(exchange):
                        return False
                else:
                    break
        except Exception:  # noqa: BLE001 - as the Deferred of `_operate` catches it
            self._fail(Failure())
        self._busy = False
        return True

    def _write_at_once(self, exchange: _Exchange) -> bool:
        self._bus.set_selected(True)
        try:
            ready = self._bus.irq_asserted()
            if ready:
                exchange(spi.write_frame(self._outgoing.popleft()))
        finally:
            self._bus.set_selected(False)
        return ready

    def _read_at_once(self, exchange: _Exchange) -> None:
        try:
            packet = spi.packet_read(self._clocked_in(exchange))
        except FrameError as fault:
            self.unreadable(fault)
            return
        self._take(packet)

    def _clocked_in(self, exchange: _Exchange) -> bytes:
        self._bus.set_selected(True)
        try:
            first = exchange(spi.FIRST_BURST)
            rest = spi.rest_burst(first, self._style)
            return first + exchange(rest) if rest else first
        finally:
            self._bus.set_selected(False)

    # Errors.

    def readable(self) -> None:
        """Reset the count of unreadable packets. Called after a packet was decoded."""
        self._unreadable = 0

    def unreadable(self, fault: FrameError) -> None:
        """Count an unreadable packet. Raises NoiseError after too many in a row.

        `fault` says why the packet could not be decoded.
        """
        self._unreadable += 1
        _log.warn("the CC3000 sent an unreadable packet: {fault}", fault=fault)
        if self._unreadable >= UNREADABLE_LIMIT:
            raise NoiseError(f"{self._unreadable} unreadable packets in a row; the last: {fault}")

    def _fail(self, failure: Failure) -> None:
        if isinstance(failure.value, ChipError):
            if self._up:  # else the link was switched off on purpose
                self._broken(failure.value)
            return
        _log.failure("the driver failed with a packet", failure)
        self._broken(NoiseError(f"the driver failed with a packet: {failure.value!r}"))

    async def _pause(self, seconds: float) -> None:
        pausing = self._pausing = pause(self._clock, seconds)
        try:
            await pausing
        except CancelledError:
            raise PowerOffError("the chip was switched off") from None
        finally:
            self._pausing = None

    # nIRQ.

    async def _level(self, asserted: bool, timeout_s: float, trouble: str) -> None:
        if self._bus.irq_asserted() is asserted:
            return
        limit = self._clock.callLater(timeout_s, self._too_late, trouble)
        try:
            while self._bus.irq_asserted() is not asserted:
                self._edge = Deferred()
                await self._edge
        finally:
            if limit.active():
                limit.cancel()

    def _too_late(self, trouble: str) -> None:
        waiting, self._edge = self._edge, None
        if waiting is not None:
            waiting.errback(SilentError(trouble))

    def _irq_changed(self) -> None:
        waiting, self._edge = self._edge, None
        if waiting is not None:
            waiting.callback(None)
        else:
            self._go_on()
