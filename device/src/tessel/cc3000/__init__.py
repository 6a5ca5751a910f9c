"""A driver for TI's CC3000 Wi-Fi chip: bytes on an SPI bus below, sockets and Wi-Fi above.

`Chip` is the whole chip. `IBus` is the bus it needs; `linux.open_bus` opens one on a Linux machine,
and `SimulatedBus` connects a chip made of code. `hci` encodes and decodes the chip's messages.
"""

from tessel.cc3000.bus import IBus, IInstantBus, SimulatedPins
from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import BusError, ChipError, CommandError
from tessel.cc3000.netapp import Timers
from tessel.cc3000.simulated import SimulatedBus
from tessel.cc3000.wlan import JoinError

__all__ = [
    "BusError",
    "Chip",
    "ChipError",
    "CommandError",
    "IBus",
    "IInstantBus",
    "JoinError",
    "SimulatedBus",
    "SimulatedPins",
    "Timers",
]
