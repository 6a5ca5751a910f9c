"""A simulated CC3000 in range of one access point, behind which is this machine's network."""

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
    """A simulated chip: the bus to it, and the simulated radio environment around it."""

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
    """Return a new simulated chip in range of one access point with the credentials `point`.

    `profile` is a name in PROFILES: the chip's limits and delays. `lookup` returns the addresses of
    a name. `by_level`: the driver reads the level of nIRQ instead of its edges.
    """
    # The chip's ports are opened on all interfaces, as those of RADIO=host.
    air = Air(reactor, lookup, clock=clock, interface="")
    air.appear(AccessPoint(ssid=point.ssid, security=point.security, key=point.key))
    return Simulated(
        cast("IBus", SimulatedBus(EmulatedChip(air, PROFILES[profile], by_level=by_level))), air
    )
