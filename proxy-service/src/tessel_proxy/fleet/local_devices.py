"""Which member has the newest tunnel of each device, in the memory of the supervisor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_DEVICES: Final = 4096
"""Names of devices of one account, or 4 for each tunnel if that is more. Devices choose their
names, and the members say which have left a moment later: the oldest are dropped when there are
more."""


class LocalDevices:
    """The member of each named device, by account."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, str]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def names(self, account: str) -> Iterable[str]:
        """Return the names of the account's devices, the oldest first."""
        return self._members.get(account, {})

    def holder(self, account: str, device: str) -> str | None:
        """Return the member that has the device, if it is known."""
        return self._members.get(account, {}).get(device)

    def arrived(self, member: str, account: str, device: str, tunnels: int) -> None:
        """Note the newest tunnel of a device; `tunnels`: those of its account."""
        devices = self._members.setdefault(account, {})
        devices.pop(device, None)  # it becomes the newest
        devices[device] = member
        if len(devices) > max(MAX_DEVICES, 4 * tunnels):
            del devices[next(iter(devices))]

    def departed(self, member: str, account: str, names: Iterable[str]) -> None:
        """Forget devices which have left the member, unless another one has them now."""
        devices = self._members.get(account, {})
        for name in names:
            if devices.get(name) == member:
                del devices[name]

    def forget_member(self, member: str, account: str) -> None:
        """Forget the account's devices of a member that has died."""
        self.departed(member, account, [*self.names(account)])

    def forget_account(self, account: str) -> None:
        """Forget the devices of an account that has nothing open."""
        self._members.pop(account, None)
