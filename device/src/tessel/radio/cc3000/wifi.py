"""The functions of the CC3000 radio with which a program manages Wi-Fi."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from tessel.cc3000.errors import ChipError, CommandError
from tessel.cc3000.hci.codes import Security
from tessel.cc3000.wlan import JoinError
from tessel.radio.cc3000.radio import Cc3000Radio
from tessel.radio.cc3000.supervisor import WifiCredentials
from tessel.radio.interface import IWifi, LinkState, NetworkUnreachableError, WifiStatus

SECURITY_BY_NAME = {
    "unsecured": Security.OPEN,
    "wep": Security.WEP,
    "wpa": Security.WPA,
    "wpa2": Security.WPA2,
}

T = TypeVar("T")


@implementer(IWifi)
class Cc3000Wifi:
    """Manages the Wi-Fi of a Cc3000Radio: implements IWifi."""

    def __init__(self, radio: Cc3000Radio) -> None:
        self._radio = radio
        self.mac: bytes | None = None

    @property
    def link(self) -> LinkState:
        return self._radio.link

    def watch_link(self, changed: Callable[[LinkState], None]) -> Callable[[], None]:
        return self._radio.watch_link(changed)

    def status(self) -> WifiStatus | None:
        lease = self._radio.chip.wlan.lease
        if lease is None:
            return None
        return WifiStatus(
            ssid=self._radio.supervisor.ssid,
            address=lease.address,
            gateway=lease.gateway,
            dhcp_server=lease.dhcp_server,
            name_server=lease.name_server,
        )

    def join(self, ssid: bytes, security: str, key: bytes) -> Deferred[None]:
        point = WifiCredentials(ssid, SECURITY_BY_NAME[security], key)
        return Deferred.fromCoroutine(_as_unreachable(self._join(point)))

    async def _join(self, point: WifiCredentials) -> None:
        if self.link is LinkState.OFF:
            self._radio.supervisor.access_point = point
            await self._radio.supervisor.start()
        await self._radio.supervisor.join(point)
        await self._learn_mac()

    def leave(self) -> Deferred[None]:
        return Deferred.fromCoroutine(_as_unreachable(self._radio.supervisor.leave()))

    def switch_on(self) -> Deferred[None]:
        return Deferred.fromCoroutine(_as_unreachable(self._switch_on()))

    def watch_trouble(self, failed: Callable[[Exception], None]) -> Callable[[], None]:
        return self._radio.supervisor.watch_trouble(failed)

    async def _switch_on(self) -> None:
        await self._radio.supervisor.switch_on()
        await self._learn_mac()

    async def _learn_mac(self) -> None:
        if self.mac is None:
            self.mac = await self._radio.chip.nvmem.mac()

    def switch_off(self) -> Deferred[None]:
        return self._radio.suspend()


async def _as_unreachable(work: Coroutine[Deferred[object], object, T]) -> T:
    try:
        return await work
    except (ChipError, CommandError, JoinError) as fault:
        raise NetworkUnreachableError(str(fault)) from fault
