"""The bus on Linux: spidev for the bytes, and three GPIO lines for the other pins.

It is for a CC3000 breakout on a Raspberry Pi or a similar computer. nCS has to stay low during
several transfers and while the driver waits for nIRQ, so it is a GPIO line, and the SPI controller
must not use its own chip select. `spidev` and `gpiod` come with this package's extra `cc3000`, and
are imported only when a bus is opened.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReactorFromThreads, IReadDescriptor
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from tessel.cc3000.bus import IBus
from tessel.cc3000.errors import BusError
from tessel.gpio import ChipPins, GpioLine

SPI_MODE = 1  # CPOL 0, CPHA 1
CLOCK_HZ = 4_000_000  # as on the Tessel; the chip takes up to 16 MHz, but long wires do not
SETTLE_S = 5e-6  # nIRQ is valid this long after nCS rises
CONSUMER = "tessel cc3000"  # the name that `gpioinfo` shows for the lines
EXTRA = "pip install ./streamplex ./service-kit './device[cc3000]' in a checkout"


class ILinuxReactor(IReactorFDSet, IReactorFromThreads):
    """The parts of a reactor that this bus needs."""


class _SpiDevice(Protocol):
    """The part of `spidev.SpiDev` that is used."""

    mode: int
    no_cs: bool
    max_speed_hz: int
    bits_per_word: int

    def open_path(self, spidev_path: str) -> None: ...
    def xfer3(self, values: Sequence[int]) -> tuple[int, ...]: ...
    def close(self) -> None: ...


class _LineRequest(Protocol):
    """The part of `gpiod.LineRequest` that is used, for one line."""

    def get_value(self, line: int | str) -> Enum: ...
    def set_value(self, line: int | str, value: Enum) -> None: ...
    def read_edge_events(self) -> Sequence[object]: ...
    def fileno(self) -> int: ...
    def release(self) -> None: ...


@implementer(IBus)
class LinuxBus:
    """The bus to a chip on a Linux machine, opened by `open_bus`.

    Transfers are made in a thread, so that a slow controller does not block the reactor. The lines
    are moved at once, which takes some microseconds.
    """

    def __init__(
        self,
        spi: _SpiDevice,
        chip_select: _Output,
        power: _Output,
        irq: _Interrupt,
        reactor: ILinuxReactor,
    ) -> None:
        self._spi = spi
        self._chip_select = chip_select
        self._power = power
        self._irq = irq
        self._reactor = reactor
        self._thread = ThreadPool(minthreads=1, maxthreads=1, name=CONSUMER)
        self._thread.start()
        self._reactor.addReader(irq)

    def set_power(self, on: bool) -> None:
        self._power.set(on)

    def set_selected(self, selected: bool) -> None:
        self._chip_select.set(selected)
        if not selected:
            time.sleep(SETTLE_S)  # too short for a timer of the reactor

    def transfer(self, mosi: bytes) -> Deferred[bytes]:
        return deferToThreadPool(self._reactor, self._thread, self._clocked, mosi).addErrback(
            _as_bus_error
        )

    def _clocked(self, mosi: bytes) -> bytes:
        """Transfer, in the bus's thread. `xfer2` would take no more than 4096 bytes."""
        return bytes(self._spi.xfer3(mosi)) if mosi else b""

    def irq_asserted(self) -> bool:
        return self._irq.asserted()

    def watch_irq(self, changed: Callable[[], None] | None) -> None:
        self._irq.changed = changed

    def owns(self, selectable: object) -> bool:
        """Return True if `selectable`, an object that the reactor watches, belongs to this bus."""
        return selectable is self._irq

    def close(self) -> None:
        self._irq.changed = None
        self._reactor.removeReader(self._irq)
        self._thread.stop()  # after a transfer that is under way
        try:
            self._chip_select.set(False)
            self._power.set(False)
        finally:
            for each in (self._chip_select, self._power, self._irq):
                each.release()
            self._spi.close()


class _Output:
    """A GPIO line that the host drives."""

    def __init__(self, request: _LineRequest, line: GpioLine, values: type[Any]) -> None:
        self._request = request
        self._line = line
        self._values = values
        self._held = True

    def set(self, active: bool) -> None:
        if not self._held:
            return  # a transfer ended after the bus was closed
        value = self._values.ACTIVE if active else self._values.INACTIVE
        try:
            self._request.set_value(self._line.line, value)
        except OSError as fault:
            raise BusError(f"line {self._line} cannot be set: {fault}") from fault

    def release(self) -> None:
        self._held = False
        self._request.release()


@implementer(IReadDescriptor)
class _Interrupt:
    """nIRQ. The reactor watches the descriptor from which the kernel reports its edges."""

    def __init__(self, request: _LineRequest, line: GpioLine, values: type[Any]) -> None:
        self._request = request
        self._line = line
        self._values = values
        self._held = True
        self.changed: Callable[[], None] | None = None

    def asserted(self) -> bool:
        if not self._held:
            return False  # the bus is closed
        try:
            return self._request.get_value(self._line.line) is self._values.ACTIVE
        except OSError as fault:
            raise BusError(f"line {self._line} cannot be read: {fault}") from fault

    def release(self) -> None:
        self._held = False
        self._request.release()

    # IReadDescriptor.

    def fileno(self) -> int:
        return self._request.fileno()

    def doRead(self) -> None:
        self._request.read_edge_events()  # the watcher reads the level instead
        if self.changed is not None:
            self.changed()

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: the reactor stops, or the GPIO chip is gone, and no more edges come."""

    def logPrefix(self) -> str:
        return CONSUMER


def open_bus(pins: ChipPins, reactor: ILinuxReactor) -> LinuxBus:
    """Open the SPI device and GPIO lines in `pins`, with the chip's power off.

    Raises BusError, whose text says what is missing.
    """
    opened: list[Callable[[], None]] = []
    try:
        return _opened(pins, reactor, opened)
    except BaseException:
        for undo in reversed(opened):
            undo()
        raise


def _opened(pins: ChipPins, reactor: ILinuxReactor, opened: list[Callable[[], None]]) -> LinuxBus:
    gpiod, spidev = _module("gpiod"), _module("spidev")
    line = gpiod.line
    output = {"direction": line.Direction.OUTPUT, "output_value": line.Value.INACTIVE}
    low_output = {**output, "active_low": True}
    # Pulled up, so that a missing wire looks like a silent chip, and not like noise.
    interrupt = {
        "direction": line.Direction.INPUT,
        "edge_detection": line.Edge.BOTH,
        "bias": line.Bias.PULL_UP,
        "active_low": True,
    }

    def request(which: GpioLine, settings: Mapping[str, object]) -> _LineRequest:
        requested = _requested(gpiod, which, settings)
        opened.append(requested.release)
        return requested

    power = _Output(request(pins.power, output), pins.power, line.Value)
    chip_select = _Output(request(pins.chip_select, low_output), pins.chip_select, line.Value)
    irq = _Interrupt(request(pins.irq, interrupt), pins.irq, line.Value)
    spi = _spi(spidev, pins.spi, opened)
    return LinuxBus(spi, chip_select, power, irq, reactor)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as fault:
        raise BusError(f"the Python module {name} is missing ({fault}): {EXTRA}") from fault


def _requested(gpiod: Any, line: GpioLine, settings: Mapping[str, object]) -> _LineRequest:
    try:
        request = gpiod.request_lines(
            line.chip, consumer=CONSUMER, config={line.line: gpiod.LineSettings(**settings)}
        )
    except (OSError, ValueError) as fault:
        raise BusError(f"line {line} cannot be opened: {fault}") from fault
    return cast("_LineRequest", request)


def _spi(spidev: Any, path: str, opened: list[Callable[[], None]]) -> _SpiDevice:
    device = cast("_SpiDevice", spidev.SpiDev())
    opened.append(device.close)
    try:
        device.open_path(path)
        device.mode = SPI_MODE
        device.bits_per_word = 8
        device.max_speed_hz = CLOCK_HZ
    except OSError as fault:
        raise BusError(f"{path} cannot be opened: {fault}") from fault
    try:
        device.no_cs = True
    except OSError as fault:
        raise BusError(
            f"the controller of {path} cannot leave its chip select unused ({fault}): a device "
            "tree overlay without chip select is needed, such as spi0-0cs"
        ) from fault
    return device


def _as_bus_error(failure: Failure) -> Failure:
    if not failure.check(OSError):
        return failure
    return Failure(BusError(f"a transfer failed: {failure.value}"))
