"""Wi-Fi: joining a network, profiles, scans."""

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

JOIN_TIMEOUT_S = 20.0
"""Seconds to wait for a lease, as on the Tessel: a chip that has to search takes that long."""

LEAVE_TIMEOUT_S = 5.0
"""Seconds to wait until the chip reports that it has left the network."""

SSID_LIMIT, KEY_LIMIT = 32, 64  # bytes

SCAN_LIMIT = 64
"""Networks read after a scan. A chip that reports more repeats itself."""

SCAN_INTERVAL_MS = 10_000


class JoinError(Exception):
    """Raised when the chip cannot join the network, or gets no address there."""


class Wlan:
    """Controls the chip's Wi-Fi: join, leave, stored networks, scans.

    `lease` holds the chip's addresses while it is in a network, else None.
    """

    def __init__(self, driver: Driver, clock: IReactorTime) -> None:
        self._driver = driver
        self._clock = clock
        self._watchers: list[Callable[[Lease | None], None]] = []
        self.associated = False
        self.lease: Lease | None = None
        driver.watch(self._event_came)
        driver.watch_loss(self._lost)

    def watch(self, changed: Callable[[Lease | None], None]) -> None:
        """Call `changed` with each new lease, and with None when the lease ends."""
        self._watchers.append(changed)

    # Joining.

    async def join(
        self, ssid: bytes, security: Security = Security.OPEN, key: bytes = b""
    ) -> Lease:
        """Join a network, leaving the present one, and return the chip's addresses there.

        `ssid` has 1 to 32 bytes, `key` at most 64. Raises JoinError, CommandError, ChipError.
        """
        if not 0 < len(ssid) <= SSID_LIMIT or len(key) > KEY_LIMIT:
            raise JoinError(
                f"a name of {len(ssid)} bytes and a key of {len(key)} bytes:"
                f" allowed are 1 to {SSID_LIMIT} and 0 to {KEY_LIMIT}"
            )
        # The chip must not search for other networks in the meantime, but remember this one.
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
        """Leave the network, if the chip is in one. Raises CommandError, ChipError."""
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
        """Return the Wi-Fi state that the chip reports. Raises ChipError."""
        number = (await self._driver.call(hci.GetStatus())).value
        try:
            return WlanStatus(number)
        except ValueError:
            raise NoiseError(f"WLAN status {number}: expected 0 to 3") from None

    # Kept in the chip's memory.

    async def set_policy(
        self, *, any_open: bool = False, last_used: bool = False, profiles: bool = False
    ) -> None:
        """Set which networks the chip joins by itself after a start.

        `any_open`: any open network; `last_used`: the last one joined (TI's "fast connect");
        `profiles`: the stored ones. Raises CommandError, ChipError.
        """
        policy = hci.SetConnectionPolicy(any_open, last_used, profiles)
        ok("connection policy", await self._driver.call(policy))

    async def add_profile(
        self, ssid: bytes, security: Security = Security.OPEN, key: bytes = b"", priority: int = 1
    ) -> int:
        """Store a network in the chip and return its index.

        Raises CommandError if there is no room, ChipError if the chip is lost.
        """
        profile = hci.AddProfile(ssid, security, key, priority)
        index = ok("add profile", await self._driver.call(profile))
        if index == hci.NO_ROOM:
            raise CommandError("add profile, no room", index)
        return index

    async def delete_profile(self, index: int = hci.ALL_PROFILES) -> None:
        """Delete the stored network `index`; the default deletes all of them.

        Raises CommandError, ChipError.
        """
        ok("delete profile", await self._driver.call(hci.DeleteProfile(index)))

    # Scans.

    async def set_scan(self, parameters: hci.SetScanParameters) -> None:
        """Switch scanning on or off, and set its parameters.

        Raises CommandError, ChipError.
        """
        ok("scan parameters", await self._driver.call(parameters))

    async def scan_results(self) -> list[ScanResult]:
        """Return the networks that the last scan found. Raises ChipError.

        Scanning has to be switched on with `set_scan`.
        """
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

    def _event_came(self, event: Unsolicited) -> None:
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
            return lease if good else "the network assigned no address"
        case WlanDisconnected():
            return "the network was not found, or refused the chip"
    return None


def _lease(outcome: Lease | str | None) -> Lease:
    if isinstance(outcome, Lease):
        return outcome
    raise JoinError(outcome or f"the chip did not report the network within {JOIN_TIMEOUT_S:g} s")
