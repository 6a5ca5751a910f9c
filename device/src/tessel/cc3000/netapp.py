"""The chip's addresses, its timers, its event mask, and pings."""

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
"""Events that the chip does not report: mask 0x8244, as in the Tessel's firmware."""

SHORTEST_TIMER_S = 20
"""The chip's shortest timer in seconds. TI's driver raises shorter ones to it, too."""

PING_MARGIN_S = 5.0
"""Seconds to wait for the report after the time that the pings themselves may take."""

PING_LARGEST = 1400
"""Bytes of the largest ping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """The chip's timers in seconds; 0 turns one off.

    The chip closes a socket that was not used for `inactivity_s`.
    """

    dhcp_s: int = 14_400
    arp_s: int = 3_600
    keepalive_s: int = 20
    inactivity_s: int = 0  # as on the Tessel: the chip's default of 60 s would close idle tunnels

    def command(self) -> hci.SetTimers:
        """Return the command, with timers below the chip's shortest raised to it."""
        named = (self.dhcp_s, self.arp_s, self.keepalive_s, self.inactivity_s)
        return hci.SetTimers(*(max(one, SHORTEST_TIMER_S) if one else 0 for one in named))


class NetApp:
    """Commands about addresses, timers, events and pings. Each may raise ChipError."""

    def __init__(self, driver: Driver, clock: IReactorTime) -> None:
        self._driver = driver
        self._clock = clock

    async def use_dhcp(self) -> None:
        """Get an address by DHCP in the next network that the chip joins."""
        await self._driver.call(hci.SetAddress())

    async def use_address(self, address: str, mask: str, gateway: str, name_server: str) -> None:
        """Use a static address. The chip keeps it without power."""
        await self._driver.call(hci.SetAddress(address, mask, gateway, name_server))

    async def ip_config(self) -> IpConfig:
        """Return the addresses, the MAC address, and the name of the network."""
        return await self._driver.call(hci.GetIpConfig())

    async def set_timers(self, timers: Timers) -> None:
        """Set all four timers. The chip keeps them without power."""
        await self._driver.call(timers.command())

    async def mask_events(self, mask: int = EVENTS_KEPT_BACK) -> None:
        """Set which events the chip does not report. Raises CommandError."""
        ok("event mask", await self._driver.call(SetEventMask(mask)))

    async def ping(
        self, address: str, attempts: int = 3, size: int = 64, timeout_ms: int = 1000
    ) -> PingReport | None:
        """Ping a host and return the chip's report, or None if it made none.

        `size` is in bytes. Raises ChipError, CommandError.
        """
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
