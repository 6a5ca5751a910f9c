"""Fakes of `spidev` and `gpiod` (2.x) with the real signatures; their pins lead to a chip.

Levels are voltages here, as on the wires: an emulated chip gets the levels of its pins, and the
lines are set and read as their settings say. `Wiring` has a switch for each wiring fault.
"""

import errno
import os
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace

SPI = "/dev/spidev0.0"
GPIO_CHIP = "/dev/gpiochip0"
CS, IRQ, POWER = 22, 23, 24


@dataclass
class Wiring:
    """How the chip is connected, and which faults the wiring has."""

    chip: object
    irq_connected: bool = True
    cs_connected: bool = True
    power_connected: bool = True
    miso_connected: bool = True
    refuses_no_cs: bool = False
    busy_lines: set = field(default_factory=set)
    broken: bool = False  # each transfer fails


class Value(Enum):
    INACTIVE = 0
    ACTIVE = 1

    def __bool__(self):
        return self is Value.ACTIVE


class Direction(Enum):
    AS_IS = 1
    INPUT = 2
    OUTPUT = 3


class Edge(Enum):
    NONE = 1
    RISING = 2
    FALLING = 3
    BOTH = 4


class Bias(Enum):
    AS_IS = 1
    UNKNOWN = 2
    DISABLED = 3
    PULL_UP = 4
    PULL_DOWN = 5


@dataclass
class LineSettings:
    """A module or enum with exactly the names of the real one."""

    direction: Direction = Direction.AS_IS
    edge_detection: Edge = Edge.NONE
    bias: Bias = Bias.AS_IS
    drive: object = None
    active_low: bool = False
    debounce_period: timedelta = timedelta()
    event_clock: object = None
    output_value: Value = Value.INACTIVE


class Machine:
    """A Linux machine with the modules `spidev` and `gpiod`."""

    def __init__(self, wiring):
        self.wiring = wiring
        self.requests = {}  # by line
        self.spi_open = False
        self.spi_settings = {}
        self.lengths = []  # of the transfers
        wiring.chip.irq_changed = self._irq_moved
        self.spidev = SimpleNamespace(SpiDev=lambda *args: SpiDev(self, *args))
        self.gpiod = SimpleNamespace(
            request_lines=self._request_lines,
            LineSettings=LineSettings,
            line=SimpleNamespace(Value=Value, Direction=Direction, Edge=Edge, Bias=Bias),
        )

    def install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "spidev", self.spidev)
        monkeypatch.setitem(__import__("sys").modules, "gpiod", self.gpiod)

    # Wires.

    def level(self, line):
        """Return whether the line is high."""
        if line == IRQ and self.wiring.irq_connected:
            return not self.wiring.chip.irq
        return self.requests[line].settings.bias is Bias.PULL_UP

    def drive(self, line, high):
        if line == CS and self.wiring.cs_connected:
            self.wiring.chip.select(not high)
        elif line == POWER and self.wiring.power_connected:
            self.wiring.chip.power(high)

    def clock(self, mosi, mode):
        if self.wiring.broken:
            raise OSError(errno.EIO, "Input/output error")
        miso = self.wiring.chip.transfer(mosi if mode == 1 else shifted(mosi))
        if not self.wiring.miso_connected:
            return bytes(len(mosi))
        return miso if mode == 1 else shifted(miso)

    def _irq_moved(self):
        request = self.requests.get(IRQ)
        if request is not None and self.wiring.irq_connected:
            request.edge()

    # gpiod.

    def _request_lines(
        self, path, config, consumer=None, event_buffer_size=None, output_values=None
    ):
        if path != GPIO_CHIP:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        ((line, settings),) = config.items()
        if line in self.wiring.busy_lines or line in self.requests:
            raise OSError(errno.EBUSY, "Device or resource busy")
        if not isinstance(line, int) or line > 53:
            raise ValueError("line offset of out range")
        return LineRequest(self, line, settings)


def shifted(data):
    """Return the bytes with all bits shifted by one, as a wrong clock phase does."""
    number = int.from_bytes(data, "big") >> 1
    return number.to_bytes(len(data), "big")


class LineRequest:
    def __init__(self, machine, line, settings):
        self._machine = machine
        self._line = line
        self.settings = settings
        self._edges = 0
        self._fd, self._kernel = os.pipe()
        machine.requests[line] = self
        if settings.direction is Direction.OUTPUT:
            self.set_value(line, settings.output_value)

    def get_value(self, line):
        self._check(line)
        return Value(int(self._machine.level(line) is not self.settings.active_low))

    def set_value(self, line, value):
        self._check(line)
        if self.settings.direction is not Direction.OUTPUT:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self._machine.drive(line, bool(value) is not self.settings.active_low)

    def edge(self):
        if self.settings.edge_detection is Edge.BOTH:
            self._edges += 1
            os.write(self._kernel, b"e")

    def read_edge_events(self, max_events=None):
        """Block until there is an event, as the real one."""
        return list(os.read(self._fd, max_events or 64))

    def fileno(self):
        return self._fd

    def release(self):
        if self._machine.requests.pop(self._line, None) is not None:
            os.close(self._fd)
            os.close(self._kernel)

    def _check(self, line):
        if self._machine.requests.get(self._line) is not self:
            raise RuntimeError("the request has been released")
        if line != self._line:
            raise ValueError(f"unknown line: {line}")


class SpiDev:
    def __init__(self, machine, *args):
        assert not args
        self._machine = machine
        self._set = {"mode": 0, "no_cs": False, "max_speed_hz": 0, "bits_per_word": 8}

    def open_path(self, spidev_path):
        if spidev_path != SPI:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._machine.spi_open = True
        self._machine.spi_settings = self._set

    def close(self):
        self._machine.spi_open = False

    @property
    def mode(self):
        return self._set["mode"]

    @mode.setter
    def mode(self, mode):
        self._put("mode", mode)

    @property
    def no_cs(self):
        return self._set["no_cs"]

    @no_cs.setter
    def no_cs(self, no_cs):
        if not isinstance(no_cs, bool):
            raise TypeError("The no_cs attribute must be boolean")
        if self._machine.wiring.refuses_no_cs:
            raise OSError(errno.EINVAL, "Invalid argument")
        self._put("no_cs", no_cs)

    @property
    def max_speed_hz(self):
        return self._set["max_speed_hz"]

    @max_speed_hz.setter
    def max_speed_hz(self, hertz):
        self._put("max_speed_hz", hertz)

    @property
    def bits_per_word(self):
        return self._set["bits_per_word"]

    @bits_per_word.setter
    def bits_per_word(self, bits):
        self._put("bits_per_word", bits)

    def _put(self, name, value):
        if not self._machine.spi_open:
            raise OSError(errno.EBADF, "Bad file descriptor")
        self._set[name] = value

    def xfer3(self, values, speed_hz=0, delay_usecs=0, bits_per_word=0):
        mosi = bytes(values)
        if not mosi:
            raise TypeError("Argument must be a non-empty list of integers.")
        self._machine.lengths.append(len(mosi))
        return tuple(self._machine.clock(mosi, self._set["mode"]))
