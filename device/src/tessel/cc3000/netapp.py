"""The chip's addresses, its timers, and pings."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.driver import Driver
from tessel.cc3000.expectation import Expectation
from tessel.cc3000.hci import netapp as hci
from tessel.cc3000.hci.codes import EventOpcode
from tessel.cc3000.hci.events import PingReport, Unsolicited
from tessel.cc3000.hci.replies import IpConfig
from tessel.cc3000.hci.wlan import SetEventMask
from tessel.cc3000.results import ok

EVENTS_KEPT_BACK = EventOpcode.KEEPALIVE | EventOpcode.PING_REPORTED | EventOpcode.WLAN_INIT
"""0x8244, as the Tessel's firmware has it."""

SHORTEST_TIMER_S = 20  # the chip's; TI's driver raises what is below
PING_MARGIN_S = 5.0  # for the report, beyond what the pings themselves may take
PING_LARGEST = 1400  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """0: never. The chip closes a socket on which nothing happened for `inactivity_s`."""

    dhcp_s: int = 14_400
    arp_s: int = 3_600
    keepalive_s: int = 20
    inactivity_s: int = 0  # the Tessel's; the chip's own 60 s cut idle tunnels

    def command(self) -> hci.SetTimers:
        named = (self.dhcp_s, self.arp_s, self.keepalive_s, self.inactivity_s)
        return hci.SetTimers(*(max(one, SHORTEST_TIMER_S) if one else 0 for one in named))


class NetApp:
    def __init__(self, driver: Driver, clock: IReactorTime) -> None:
        self._driver = driver
        self._clock = clock

    async def use_dhcp(self) -> None:
        """From the next connection to an access point on."""
        await self._driver.call(hci.SetAddress())

    async def use_address(self, address: str, mask: str, gateway: str, name_server: str) -> None:
        await self._driver.call(hci.SetAddress(address, mask, gateway, name_server))

    async def ip_config(self) -> IpConfig:
        return await self._driver.call(hci.GetIpConfig())

    async def set_timers(self, timers: Timers) -> None:
        await self._driver.call(timers.command())

    async def mask_events(self, mask: int = EVENTS_KEPT_BACK) -> None:
        ok("event mask", await self._driver.call(SetEventMask(mask)))

    async def ping(
        self, address: str, attempts: int = 3, size: int = 64, timeout_ms: int = 1000
    ) -> PingReport | None:
        """None: the chip made no report. Raises ChipError."""
        await self.mask_events(EVENTS_KEPT_BACK & ~EventOpcode.PING_REPORTED | 0x8000)
        report = Expectation(self._driver, _report)
        try:
            await self._driver.call(
                hci.Ping(address, attempts, min(size, PING_LARGEST), timeout_ms)
            )
            return await report.within(attempts * timeout_ms / 1000 + PING_MARGIN_S, self._clock)
        finally:
            report.drop()
            if self._driver.running:
                await self.mask_events()


def _report(event: Unsolicited) -> PingReport | None:
    return event if isinstance(event, PingReport) else None
