"""`tessel radio check`: checks a CC3000 and its wiring, and names the wire that may be wrong.

It first checks the pins one after the other, without the driver, which would only report a lost
chip. Then it uses the driver as a program does: it prints the service pack, the MAC address and the
networks in range, and joins the network in the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTime

from tessel.cc3000 import spi
from tessel.cc3000.bus import IBus
from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import ChipError, CommandError
from tessel.cc3000.hci.codes import Security
from tessel.cc3000.hci.replies import ScanResult
from tessel.cc3000.hci.wlan import SetScanParameters, Start
from tessel.cc3000.pause import pause
from tessel.cc3000.wlan import JoinError
from tessel.errors import NodeError
from tessel.radio.cc3000 import WifiCredentials
from tessel.radio.host import IHostReactor
from tessel.radio_factory import bus_of
from tessel.radio_settings import RadioSettings

OFF_S = 0.3  # long enough for the supply of any breakout to fall
POWER_UP_S = 1.0  # a real chip took 63 ms
RELEASE_S = 0.01  # nIRQ after nCS: a real chip took 5 us
START_S = 3.0  # a real chip took 0.97 s to answer
SCAN_INTERVAL_MS = 1000
SCAN_S = 4.0  # thirteen channels, and the pauses between them

Say = Callable[[str], object]


class WiringFault(Exception):  # noqa: N818 - a result of the check, not a bug
    """The wiring seems wrong.

    The text says what was measured; `look_at` says which wires to check.
    """

    def __init__(self, seen: str, look_at: str) -> None:
        super().__init__(seen)
        self.look_at = look_at


class ICheckReactor(IHostReactor, IReactorCore):
    """The interfaces of a Twisted reactor that the radio check uses."""


def run(settings: RadioSettings, reactor: ICheckReactor, say: Say, errors: TextIO) -> int:
    """Run the radio check in `reactor`, which this function starts and stops.

    Returns the exit code: 0 if everything works, else 1. `say` gets each line of the result,
    `errors` the traceback of a bug in the check.
    """
    codes = [1]

    async def checking() -> None:
        try:
            bus, point = bus_of(settings, reactor, reactor)
        except NodeError as fault:
            say(f"FAULT  {fault}")
        else:
            codes[0] = int(not await check(bus, reactor, point, say))

    def begin() -> None:
        done = Deferred.fromCoroutine(checking())
        done.addErrback(lambda bug: errors.write(bug.getTraceback()))
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    return codes[0]


async def check(bus: IBus, clock: IReactorTime, point: WifiCredentials | None, say: Say) -> bool:
    """Check the pins and the chip on `bus`, then close the bus. Return True if everything works.

    `say` gets each line of the result. `point` is the network to join; None: join none.
    """
    try:
        await CheckedPins(bus, clock).check(say)
        await _check_chip(Chip(bus, clock), clock, point, say)
    except WiringFault as fault:
        say(f"FAULT  {fault}")
        say(f"       check: {fault.look_at}")
        return False
    except (ChipError, CommandError, JoinError) as fault:
        say(f"FAULT  {fault}")
        return False
    finally:
        bus.watch_irq(None)
        bus.close()
    return True


class CheckedPins:
    """Starts a CC3000 without the driver and checks each pin on the way."""

    def __init__(self, bus: IBus, clock: IReactorTime) -> None:
        self._bus = bus
        self._clock = clock
        self._edge: Deferred[None] | None = None

    async def check(self, say: Say) -> None:
        """Check all pins one after the other; `say` gets a line for each that works.

        Raises WiringFault at the first pin that does not work, BusError if the bus fails. The chip
        is off after a successful check.
        """
        self._bus.watch_irq(self._changed)
        await self._power_up()
        say("ok     nIRQ falls when the power comes: VBAT_EN and nIRQ are connected")
        await self._first_write()
        say("ok     nIRQ rises with nCS, and falls again: the chip has received a command")
        await self._answer()
        say("ok     the chip's answer is correct: so are SCK, MOSI, MISO and the SPI mode")
        self._bus.set_power(False)

    async def _power_up(self) -> None:
        self._bus.set_selected(False)
        self._bus.set_power(False)
        await pause(self._clock, OFF_S)
        if self._bus.irq_asserted():
            raise WiringFault(
                "nIRQ is low while the chip is off",
                "the line that CC3000_GPIO_IRQ names, a short to ground, and VBAT_EN: if it is not "
                "connected to the chip, the chip may be on all the time",
            )
        self._bus.set_power(True)
        if not await self._level(True, POWER_UP_S):
            raise WiringFault(
                f"nIRQ does not fall within {POWER_UP_S:g} s after the power came",
                "the chip's supply (3.3 V, peaks of 300 mA), ground, VBAT_EN, nIRQ, and the "
                "lines that CC3000_GPIO_VBAT_EN and CC3000_GPIO_IRQ name",
            )

    async def _first_write(self) -> None:
        frame = spi.write_frame(Start().packet().encode())
        self._bus.set_selected(True)
        await pause(self._clock, spi.FIRST_WRITE_PAUSE_S)
        await self._bus.transfer(frame[: spi.FIRST_WRITE_CUT])
        await pause(self._clock, spi.FIRST_WRITE_PAUSE_S)
        await self._bus.transfer(frame[spi.FIRST_WRITE_CUT :])
        self._bus.set_selected(False)
        if not await self._level(False, RELEASE_S):
            raise WiringFault(
                "nIRQ stays low when nCS rises: the chip was not selected",
                "nCS, and CC3000_GPIO_CS: it must not name the SPI controller's own chip select",
            )
        if not await self._level(True, START_S):
            raise WiringFault(
                f"the chip gives no answer within {START_S:g} s: it did not receive the command",
                "SCK, MOSI (is it crossed with MISO?), and the SPI mode, which must be 1",
            )

    async def _answer(self) -> None:
        self._bus.set_selected(True)
        try:
            miso = await self._bus.transfer(spi.FIRST_BURST)
        finally:
            self._bus.set_selected(False)
        if miso[:1] == bytes((spi.ANSWER,)):
            return
        seen = f"the chip's answer is {miso.hex(' ')}; expected: 02 00 00"
        if len(set(miso)) == 1:
            raise WiringFault(f"{seen}. MISO does not move", "MISO")
        if _off_by_one_bit(miso):
            raise WiringFault(
                f"{seen}. It is off by one bit", "the SPI mode, which must be 1 (CPOL 0, CPHA 1)"
            )
        raise WiringFault(
            f"{seen}. It is noise", "ground, the length of the wires, and other devices on the bus"
        )

    # nIRQ.

    async def _level(self, asserted: bool, within_s: float) -> bool:
        """Wait for a level of nIRQ. Returns False if it does not come in time."""
        until = self._clock.seconds() + within_s
        while self._bus.irq_asserted() is not asserted:
            left_s = until - self._clock.seconds()
            if left_s <= 0:
                return False
            self._edge = Deferred()
            timer = self._clock.callLater(left_s, self._changed)
            await self._edge
            if timer.active():
                timer.cancel()
        return True

    def _changed(self) -> None:
        edge, self._edge = self._edge, None
        if edge is not None:
            edge.callback(None)


def _off_by_one_bit(miso: bytes) -> bool:
    number, bits = int.from_bytes(miso, "big"), 8 * len(miso)
    shifted = ((number << 1) & ((1 << bits) - 1), number >> 1)
    begins = bytes((spi.ANSWER, 0, 0))
    return any(one.to_bytes(len(miso), "big").startswith(begins) for one in shifted)


async def _check_chip(
    chip: Chip, clock: IReactorTime, point: WifiCredentials | None, say: Say
) -> None:
    try:
        say(f"ok     service pack {await chip.boot()}")
        say(f"ok     MAC {(await chip.nvmem.mac()).hex(':')}")
        await _scan(chip, clock, say)
        if point is None:
            say("       WIFI_SSID is not set: no network is joined")
            return
        lease = await chip.wlan.join(point.ssid, point.security, point.key)
        say(f"ok     joined {_name(point.ssid)}: address {lease.address} from {lease.dhcp_server}")
    finally:
        chip.driver.stop()


async def _scan(chip: Chip, clock: IReactorTime, say: Say) -> None:
    await chip.wlan.set_scan(SetScanParameters(SCAN_INTERVAL_MS))
    await pause(clock, SCAN_S)
    found = await chip.wlan.scan_results()
    await chip.wlan.set_scan(SetScanParameters(0))
    networks = "1 network" if len(found) == 1 else f"{len(found)} networks"
    say(f"ok     {networks} in range (2.4 GHz; the chip supports no other band)")
    for one in sorted(found, key=lambda one: -one.rssi):
        say(f"       {_described(one)}")


def _described(network: ScanResult) -> str:
    known = network.security in list(Security)
    security = Security(network.security).name.lower() if known else str(network.security)
    return f"{network.bssid.hex(':')} {security:<5} signal {network.rssi:3}  {_name(network.ssid)}"


def _name(ssid: bytes) -> str:
    return repr(ssid.decode(errors="replace"))
