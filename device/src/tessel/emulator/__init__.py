"""A CC3000 made of code: the chip's side of the bus, and the air with access points around it.

`EmulatedChip` has the chip's pins. `Air` has the access points and this machine's network behind
them. `PROFILES` names the chips to choose from: each has its faults (`Quirks`) and its delays
(`Latencies`).
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
