"""Wi-Fi: joining an access point, profiles, what is in the air."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.driver import Driver
from tessel.cc3000.errors import ChipError, CommandError, NoiseError
from tessel.cc3000.expectation import Expectation
from tessel.cc3000.hci import wlan as hci
from tessel.cc3000.hci.codes import Code, Security, WlanStatus
from tessel.cc3000.hci.events import DhcpDone, Unsolicited, WlanConnected, WlanDisconnected
from tessel.cc3000.hci.fields import ANY_ADDRESS
from tessel.cc3000.hci.replies import Lease, ScanResult
from tessel.cc3000.results import ok

JOIN_TIMEOUT_S = 20.0  # the Tessel's; a chip that has to look for the access point takes as long
LEAVE_TIMEOUT_S = 5.0  # until the chip tells that it has left

SSID_LIMIT, KEY_LIMIT = 32, 64  # bytes

SCAN_LIMIT = 64  # networks; a chip that tells of more repeats itself
SCAN_INTERVAL_MS = 10_000


class JoinError(Exception):
    """The chip did not get into the network, or got no address there."""


class Wlan:
    """`lease` is None while there is no address."""

    def __init__(self, driver: Driver, clock: IReactorTime) -> None:
        self._driver = driver
        self._clock = clock
        self._watchers: list[Callable[[Lease | None], None]] = []
        self.associated = False
        self.lease: Lease | None = None
        driver.watch(self._told)
        driver.watch_loss(self._lost)

    def watch(self, changed: Callable[[Lease | None], None]) -> None:
        """Be told of each lease, and of its end."""
        self._watchers.append(changed)

    # Joining.

    async def join(
        self, ssid: bytes, security: Security = Security.OPEN, key: bytes = b""
    ) -> Lease:
        """Raises JoinError, CommandError, ChipError."""
        if not 0 < len(ssid) <= SSID_LIMIT or len(key) > KEY_LIMIT:
            raise JoinError(
                f"a name of {len(ssid)} bytes and a key of {len(key)};"
                f" allowed are 1 to {SSID_LIMIT}, and up to {KEY_LIMIT}"
            )
        # It must not look for networks by itself meanwhile, but keep this one for later.
        await self.set_policy(last_used=True)
        if self.associated:
            await self.leave()
        outcome: Expectation[Lease | str] = Expectation(self._driver, _outcome)
        try:
            ok("connect", await self._driver.call(hci.ConnectWlan(ssid, security, key)))
            return _lease(await outcome.within(JOIN_TIMEOUT_S, self._clock))
        finally:
            outcome.drop()

    async def leave(self) -> None:
        """Raises CommandError, ChipError. Having left before is no error."""
        left = Expectation(
            self._driver, lambda event: True if isinstance(event, WlanDisconnected) else None
        )
        try:
            result = await self._driver.call(hci.DisconnectWlan())
            if result.value == Code.ALREADY_DISCONNECTED:
                self._left()
                return
            ok("disconnect", result)
            await left.within(LEAVE_TIMEOUT_S, self._clock)
        finally:
            left.drop()

    async def status(self) -> WlanStatus:
        number = (await self._driver.call(hci.GetStatus())).value
        try:
            return WlanStatus(number)
        except ValueError:
            raise NoiseError(f"a status of {number}; known are 0 to 3") from None

    # What is kept in the chip's memory.

    async def set_policy(
        self, *, any_open: bool = False, last_used: bool = False, profiles: bool = False
    ) -> None:
        """What the chip joins by itself after a start. `last_used`: "fast connect"."""
        policy = hci.SetConnectionPolicy(any_open, last_used, profiles)
        ok("connection policy", await self._driver.call(policy))

    async def add_profile(
        self, ssid: bytes, security: Security = Security.OPEN, key: bytes = b"", priority: int = 1
    ) -> int:
        """Its index. Raises CommandError if there is no room."""
        profile = hci.AddProfile(ssid, security, key, priority)
        index = ok("add profile", await self._driver.call(profile))
        if index == hci.NO_ROOM:
            raise CommandError("add profile, no room", index)
        return index

    async def delete_profile(self, index: int = hci.ALL_PROFILES) -> None:
        ok("delete profile", await self._driver.call(hci.DeleteProfile(index)))

    # What is in the air.

    async def set_scan(self, parameters: hci.SetScanParameters) -> None:
        ok("scan parameters", await self._driver.call(parameters))

    async def scan_results(self) -> list[ScanResult]:
        """What the last scan has found; `set_scan` switches scanning on."""
        found: list[ScanResult] = []
        for _ in range(SCAN_LIMIT):
            one = await self._driver.call(hci.GetScanResults())
            if not one.count:
                break
            if one.valid and one.ssid not in [other.ssid for other in found]:
                found.append(one)
            if one.count == 1:
                break
        return found

    # Events.

    def _told(self, event: Unsolicited) -> None:
        match event:
            case WlanConnected():
                self.associated = True
            case WlanDisconnected():
                self._left()
            case DhcpDone(lease, status):
                good = status == 0 and lease.address != ANY_ADDRESS
                self._change(lease if good else None)
            case _:
                pass

    def _lost(self, error: ChipError) -> None:
        del error
        self._left()

    def _left(self) -> None:
        self.associated = False
        self._change(None)

    def _change(self, lease: Lease | None) -> None:
        changed, self.lease = self.lease != lease, lease
        for watcher in list(self._watchers) if changed else []:
            watcher(lease)


def _outcome(event: Unsolicited) -> Lease | str | None:
    match event:
        case DhcpDone(lease, status):
            good = status == 0 and lease.address != ANY_ADDRESS
            return lease if good else "the network gave no address"
        case WlanDisconnected():
            return "the network is not there, or does not let the chip in"
    return None


def _lease(outcome: Lease | str | None) -> Lease:
    if isinstance(outcome, Lease):
        return outcome
    raise JoinError(outcome or f"no word about the network within {JOIN_TIMEOUT_S:g} s")
