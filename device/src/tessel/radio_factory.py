"""Makes the radio that the settings choose: host sockets, a real CC3000, or a simulated one.

Modules that only one kind of radio needs are imported when it is chosen: programs on the host's
sockets do not load the emulator, and a machine without GPIO pins does not need `gpiod`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.bus import IBus
from tessel.cc3000.errors import BusError
from tessel.cc3000.linux import ILinuxReactor, open_bus
from tessel.errors import NodeError
from tessel.radio.cc3000 import Cc3000Radio, TransferSizes, WifiCredentials
from tessel.radio.cc3000.wifi import SECURITY_BY_NAME, Cc3000Wifi
from tessel.radio.host import HostRadio, IHostReactor
from tessel.radio.interface import IRadio, IWifi
from tessel.radio.resolver_names import asked
from tessel.radio_settings import RadioSettings
from tessel_service_kit.resolver import resolver_of

if TYPE_CHECKING:
    from tessel.emulator.air import IAirReactor

SIMULATED_SSID = b"tesselnet"  # of the network that a simulated chip is in if none is named

TESSEL_SIZES = TransferSizes(
    read=512, write=1024
)  # the sizes of the Tessel's runtime, which real chips support

READS_A_ROUND = 4  # a simulated chip's receive window holds so many reads

BusWrap = Callable[[IBus], IBus]


def _at_once() -> Deferred[None]:
    return succeed(None)


@dataclass(frozen=True, slots=True)
class BoardRadio:
    """The radio of a board, and the Wi-Fi that the radio controls (None: it has no Wi-Fi)."""

    radio: IRadio
    wifi: IWifi | None
    close: Callable[[], None]  # releases the resources of the radio
    connect_turn: Callable[[], Deferred[None]] = _at_once  # fires when it can begin a connect


def chosen(
    settings: RadioSettings,
    reactor: IHostReactor,
    clock: IReactorTime,
    wrap: BusWrap = lambda bus: bus,
) -> BoardRadio:
    """Return the radio that the settings choose; it is still off.

    `wrap` gets the bus of a chip and returns the bus that the driver uses, for example one that
    writes a trace. Raises NodeError if the bus of a real chip cannot be opened.
    """
    if settings.kind == "host":
        return BoardRadio(cast("IRadio", HostRadio(reactor)), None, lambda: None)
    found = _bus(settings, reactor, clock, by_level=True)
    sizes = TransferSizes() if settings.profile == "ideal" else TESSEL_SIZES
    if settings.kind == "cc3000-sim":
        sizes = simulated_sizes(sizes)
    chip = Cc3000Radio(wrap(found.bus), clock, found.point, owns=found.owns, sizes=sizes)
    wifi = cast("IWifi", Cc3000Wifi(chip))
    return BoardRadio(cast("IRadio", chip), wifi, chip.close, chip.connect_turn)


def simulated_sizes(sizes: TransferSizes) -> TransferSizes:
    """Return a copy of the transfer sizes for a simulated chip: READS_A_ROUND reads a round.

    The copy also has `by_packet` set. A real chip uses `sizes` unchanged.
    """
    return replace(sizes, by_packet=True, reads=READS_A_ROUND)


def bus_of(
    settings: RadioSettings, reactor: IHostReactor, clock: IReactorTime
) -> tuple[IBus, WifiCredentials | None]:
    """Return the bus of a real or simulated chip, and the Wi-Fi network for it to join.

    The network is None if the settings name none. Raises NodeError if the bus cannot be opened.
    """
    found = _bus(settings, reactor, clock, by_level=False)
    return found.bus, found.point


@dataclass(frozen=True, slots=True)
class _Found:
    bus: IBus
    point: WifiCredentials | None
    owns: Callable[[object], bool]


def _bus(
    settings: RadioSettings, reactor: IHostReactor, clock: IReactorTime, *, by_level: bool
) -> _Found:
    """`by_level`: the driver reads the level of a simulated chip's nIRQ instead of its edges."""
    point = access_point(settings)
    if settings.kind == "cc3000-sim":
        near = point or WifiCredentials(SIMULATED_SSID)
        return _simulated(near, settings.profile, reactor, clock, by_level=by_level)
    try:
        bus = open_bus(settings.pins, cast("ILinuxReactor", reactor))
    except BusError as fault:
        raise NodeError(f"RADIO=cc3000: {fault}", "ERR_RADIO") from fault
    return _Found(cast("IBus", bus), point, bus.owns)


def _simulated(
    point: WifiCredentials,
    profile: str,
    reactor: IHostReactor,
    clock: IReactorTime,
    *,
    by_level: bool,
) -> _Found:
    from tessel.simulation import simulated  # noqa: PLC0415 - the emulator is for this kind alone

    names = resolver_of(reactor)

    def lookup(name: str) -> Deferred[Sequence[str]]:
        return asked(name, names, clock)

    air_reactor = cast("IAirReactor", reactor)
    made = simulated(point, profile, air_reactor, clock, lookup, by_level=by_level)
    return _Found(made.bus, point, made.air.owns)


def access_point(settings: RadioSettings) -> WifiCredentials | None:
    """Return the Wi-Fi network in the settings, with its password; None if they name none."""
    if settings.ssid is None:
        return None
    security = SECURITY_BY_NAME[settings.security]
    return WifiCredentials(settings.ssid, security, settings.password)
