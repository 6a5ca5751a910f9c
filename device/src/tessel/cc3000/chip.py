"""The CC3000 with all its parts."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.bus import IBus
from tessel.cc3000.driver import Driver
from tessel.cc3000.hci.replies import ServicePack
from tessel.cc3000.netapp import NetApp, Timers
from tessel.cc3000.nvmem import Nvmem
from tessel.cc3000.sockets import Sockets
from tessel.cc3000.spi import ReadStyle
from tessel.cc3000.wlan import Wlan


class Chip:
    """A CC3000 on a bus: its driver, Wi-Fi, addresses and timers, memory, and sockets."""

    def __init__(
        self, bus: IBus, clock: IReactorTime, style: ReadStyle = ReadStyle.BY_PACKET
    ) -> None:
        self.driver = Driver(bus, clock, style)
        self.wlan = Wlan(self.driver, clock)
        self.netapp = NetApp(self.driver, clock)
        self.nvmem = Nvmem(self.driver)
        self.sockets = Sockets(self.driver)

    async def boot(self, timers: Timers | None = None, patches: int = 0) -> ServicePack:
        """Start the chip as the Tessel's firmware did, and return the chip's firmware version.

        `timers` are stored in the chip; None uses the defaults. `patches` is the argument of
        `Start`: 0 uses the chip's own patches. Raises ChipError, CommandError.
        """
        await self.driver.start(patches)
        await self.netapp.mask_events()
        await self.netapp.set_timers(timers or Timers())
        return await self.nvmem.service_pack()
