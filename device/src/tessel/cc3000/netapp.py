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

    `inactivity_s`: the chip closes a socket that was not used for this time. `dhcp_s` and `arp_s`
    are the lifetimes of the lease and of ARP entries; `keepalive_s` is the interval of the chip's
    keepalive events.
    """

    dhcp_s: int = 14_400
    arp_s: int = 3_600
    keepalive_s: int = 20
    inactivity_s: int = 0  # as on the Tessel: the chip's default of 60 s would close idle tunnels

    def command(self) -> hci.SetTimers:
        """Return the command that sets these timers.

        Timers below SHORTEST_TIMER_S, except 0, are raised to it.
        """
        named = (self.dhcp_s, self.arp_s, self.keepalive_s, self.inactivity_s)
        return hci.SetTimers(*(max(one, SHORTEST_TIMER_S) if one else 0 for one in named))


class NetApp:
    """Sends the commands about addresses, timers, events and pings.

    Each method may raise ChipError.
    """

    def __init__(self, driver: Driver, clock: IReactorTime) -> None:
        self._driver = driver
        self._clock = clock

    async def use_dhcp(self) -> None:
        """Make the chip get its address by DHCP in the next network that it joins."""
        await self._driver.call(hci.SetAddress())

    async def use_address(self, address: str, mask: str, gateway: str, name_server: str) -> None:
        """Set a static address. The chip keeps it while its power is off.

        All four arguments are IPv4 addresses as text.
        """
        await self._driver.call(hci.SetAddress(address, mask, gateway, name_server))

    async def ip_config(self) -> IpConfig:
        """Return the chip's IP addresses, its MAC address, and the name of its network."""
        return await self._driver.call(hci.GetIpConfig())

    async def set_timers(self, timers: Timers) -> None:
        """Set all four timers. The chip keeps them while its power is off."""
        await self._driver.call(timers.command())

    async def mask_events(self, mask: int = EVENTS_KEPT_BACK) -> None:
        """Set which events the chip does not report: one bit of `mask` per event.

        Raises CommandError.
        """
        ok("event mask", await self._driver.call(SetEventMask(mask)))

    async def ping(
        self, address: str, attempts: int = 3, size: int = 64, timeout_ms: int = 1000
    ) -> PingReport | None:
        """Ping a host and return the chip's report, or None if no report came in time.

        `size` is in bytes, at most PING_LARGEST; `timeout_ms` applies to each ping. Raises
        ChipError, CommandError.
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
