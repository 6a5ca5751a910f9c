"""A CC3000 made of code: the chip's side of the bus, and the air with access points around it.

`EmulatedChip` has the chip's pins, `Air` the access points and this machine's network behind them,
`PROFILES` the chips to choose from: with which weaknesses (`Quirks`), and how slow (`Latencies`).
"""

from tessel.emulator.air import AccessPoint, Air, IAirReactor
from tessel.emulator.emulated_chip import EmulatedChip
from tessel.emulator.latencies import Latencies
from tessel.emulator.profiles import PROFILES, Profile
from tessel.emulator.quirks import Quirks

__all__ = [
    "PROFILES",
    "AccessPoint",
    "Air",
    "EmulatedChip",
    "IAirReactor",
    "Latencies",
    "Profile",
    "Quirks",
]
