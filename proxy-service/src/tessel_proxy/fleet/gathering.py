"""What a member keeps until its next call: devices that arrived, and accounts to report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

MAX_ARRIVED: Final = 65_536
"""Devices that the engine is told of when it can be reached again. The oldest are dropped."""

GATHER_S: Final = 0.05
"""Seconds in which the ends of tunnels of an account near its limit are gathered into one call."""


class Arrivals:
    """Devices, as account and name, that the engine was not told of: the oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], int] = {}  # the number of the arrival, by device
        self._number = 0

    def __contains__(self, device: tuple[str, str]) -> bool:
        return device in self._waiting

    def add(self, *devices: tuple[str, str]) -> None:
        """Keep devices, the newest last."""
        for each in devices:
            self._waiting.pop(each, None)
            self._number += 1
            self._waiting[each] = self._number
        while len(self._waiting) > MAX_ARRIVED:
            del self._waiting[next(iter(self._waiting))]

    def waiting(self) -> dict[tuple[str, str], int]:
        """Return all devices, for a call to the engine; they are kept until `told`."""
        return self._waiting.copy()

    def told(self, devices: Mapping[tuple[str, str], int]) -> None:
        """Forget devices of which the engine was told, except for those that came again since."""
        for device, number in devices.items():
            if self._waiting.get(device) == number:
                del self._waiting[device]


class GatheredAccounts:
    """Calls `due` with each added account, once for all that was added within GATHER_S."""

    def __init__(self, clock: IReactorTime, due: Callable[[str], object]) -> None:
        self._clock = clock
        self._due = due
        self._calls: dict[str, IDelayedCall] = {}

    def add(self, account: str) -> None:
        """Call `due` with this account soon."""
        if account not in self._calls:
            self._calls[account] = self._clock.callLater(GATHER_S, self._call, account)

    def _call(self, account: str) -> None:
        del self._calls[account]
        self._due(account)

    def stop(self) -> None:
        """Forget all accounts."""
        for each in self._calls.values():
            each.cancel()
        self._calls.clear()
