"""A simulated chip within range of one access point; this machine's network is behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.bus import IBus
from tessel.cc3000.simulated import SimulatedBus
from tessel.emulator.air import AccessPoint, Air, IAirReactor
from tessel.emulator.emulated_chip import EmulatedChip
from tessel.emulator.profiles import PROFILES
from tessel.radio.cc3000 import WifiCredentials


@dataclass(frozen=True, slots=True)
class Simulated:
    """The bus of a simulated chip, and its radio environment."""

    bus: IBus
    air: Air


def simulated(
    point: WifiCredentials,
    profile: str,
    reactor: IAirReactor,
    clock: IReactorTime,
    lookup: Callable[[str], Deferred[Sequence[str]]],
    *,
    by_level: bool,
) -> Simulated:
    """Make a chip of this profile, in range of one access point with these credentials.

    `lookup` looks a name up. `by_level` is the argument of `EmulatedChip`.
    """
    # The chip's ports are opened on all interfaces, as those of RADIO=host.
    air = Air(reactor, lookup, clock=clock, interface="")
    air.appear(AccessPoint(ssid=point.ssid, security=point.security, key=point.key))
    return Simulated(
        cast("IBus", SimulatedBus(EmulatedChip(air, PROFILES[profile], by_level=by_level))), air
    )
