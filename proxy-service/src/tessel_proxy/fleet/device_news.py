"""Devices that came to this process or left it, until they are reported to the engine.

A device that moves takes its place along, so the engine must not believe that a device is where it
has left: another tunnel may use that place by now, and the account would have one too many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tessel_proxy.fleet.engine import MAX_DEPARTED

MAX_NAMES: Final = 4096
"""Names of one account that wait for the engine: as many as an engine knows of an account with few
tunnels. Later ones are not kept: it knows those that were here before it went away."""


@dataclass(frozen=True, slots=True)
class News:
    """What one call reports to the engine about the devices of an account.

    Each name has the number of its last change. `left_out`: names for the next call. Their tunnels
    count as open until then.
    """

    arrived: Mapping[str, int]
    departed: Mapping[str, int]
    left_out: int


class DeviceNews:
    """Names of devices by account, that were not reported to the engine yet.

    A name among the departed may have a tunnel here again. It is looked up when names are sent.
    """

    def __init__(self, is_here: Callable[[str, str], bool]) -> None:
        """`is_here` returns whether a device of an account has a tunnel in this process."""
        self._is_here = is_here
        self._arrived: dict[str, dict[str, int]] = {}
        self._came_at: dict[tuple[str, str], float] = {}  # those of `_arrived`
        self._departed: dict[str, dict[str, int]] = {}
        self._coming: Counter[tuple[str, str]] = Counter()  # admissions in progress
        self._number = 0

    @property
    def accounts(self) -> set[str]:
        """The accounts of which there is something to report."""
        return {*self._arrived, *self._departed}

    @contextmanager
    def coming(self, account: str, device: str | None) -> Iterator[None]:
        """A block in which the engine is asked for the device's place; None: it has no name.

        The engine may believe after it that the device is here, whether its tunnel opens or not.
        """
        if device is None:
            yield
            return
        key = (account, device)
        self._coming[key] += 1
        try:
            yield
        finally:
            self._coming[key] -= 1
            if not self._coming[key]:
                del self._coming[key]
            self._add(self._departed, account, device)

    def arrived(self, account: str, device: str, came_at: float) -> None:
        """Keep a device whose tunnel opens here, and of which the engine has not heard.

        `came_at`: the time when it came.
        """
        self._add(self._arrived, account, device)
        if device in self._arrived[account]:
            self._came_at[account, device] = came_at

    def came_at(self, account: str, device: str) -> float | None:
        """Return when a device came of which the engine has yet to hear; None: there is none."""
        return self._came_at.get((account, device))

    def left(self, account: str, device: str) -> None:
        """Keep a device that has no tunnel here any more."""
        self._drop(self._arrived, account, {device: self._arrived.get(account, {}).get(device, 0)})
        self._add(self._departed, account, device)

    def of(self, account: str) -> News:
        """Return what the next call reports of an account; it is kept until `sent`."""
        here = {name for name in self._names(account) if self._is_here(account, name)}
        arrived = self._arrived.get(account, {})
        self._drop(self._arrived, account, {n: arrived[n] for n in arrived if n not in here})
        departed = self._departed.get(account, {})
        self._drop(self._departed, account, {n: departed[n] for n in here if n in departed})
        gone = [name for name in departed if (account, name) not in self._coming]
        return News(
            self._arrived.get(account, {}).copy(),
            {name: departed[name] for name in gone[:MAX_DEPARTED]},
            max(0, len(gone) - MAX_DEPARTED),
        )

    def sent(self, account: str, news: News) -> None:
        """Forget what was reported to the engine, except devices that came or left since."""
        self._drop(self._arrived, account, news.arrived)
        self.sent_departed(account, news)

    def sent_departed(self, account: str, news: News) -> None:
        """Note that a call without arrivals was sent; see `sent`."""
        self._drop(self._departed, account, news.departed)

    def _names(self, account: str) -> set[str]:
        return {*self._arrived.get(account, ()), *self._departed.get(account, ())}

    def _add(self, names: dict[str, dict[str, int]], account: str, device: str) -> None:
        self._number += 1
        of_account = names.setdefault(account, {})
        if device in of_account or len(of_account) < MAX_NAMES:
            of_account[device] = self._number

    def _drop(
        self, names: dict[str, dict[str, int]], account: str, dropped: Mapping[str, int]
    ) -> None:
        of_account = names.get(account, {})
        for device, number in dropped.items():
            if of_account.get(device) == number:
                del of_account[device]
                if names is self._arrived:
                    del self._came_at[account, device]
        if not of_account:
            names.pop(account, None)
