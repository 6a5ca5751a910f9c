"""Which devices the members of this host have, so that the engine may lose it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.notices import DeviceMoved, Hear, Notice
from tessel_proxy.fleet.parted import in_parts
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.scripts import DEVICES, HOLDER

MAX_DEVICES: Final = 65_536
"""Devices to remember, 0.3 KiB each: far more than one host has tunnels. The oldest are dropped."""

PER_CALL: Final = 256


class Devices:
    """Remembers the newest tunnels of devices, and reports them to an engine that lost its data.

    They are noted in the order of the calls that report them: each later call knows more.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._members: OrderedDict[tuple[str, str], str] = OrderedDict()

    def arrived(self, member: str, account: str, device: str) -> str | None:
        """Called when it is reported to the engine that a device's newest tunnel is on `member`.

        Returns the member that had it, for `not_arrived`.
        """
        former = self._members.get((account, device))
        self._members[account, device] = member
        self._members.move_to_end((account, device))
        if len(self._members) > MAX_DEVICES:
            self._members.popitem(last=False)
        return former

    def not_arrived(self, member: str, account: str, device: str, former: str | None) -> None:
        """Called when the engine has not let a device come to `member`: `former` still has it."""
        if self._members.get((account, device)) != member or former == member:
            return
        self.departed(member, account, [device])
        if former is not None:
            self._members[account, device] = former

    def departed(self, member: str, account: str, names: Iterable[str]) -> None:
        """Called when it is reported to the engine that devices have left `member`."""
        for name in names:
            if self._members.get((account, name)) == member:
                del self._members[account, name]

    def hearing(self, member: str, hear: Hear) -> Hear:
        """Return a hearer that acts on a move only if the device has not come back to `member`."""

        def heard(notice: Notice) -> Deferred[Any] | None:
            if isinstance(notice, DeviceMoved):
                return Deferred.fromCoroutine(self._moved(member, notice, hear))
            return hear(notice)

        return heard

    async def _moved(self, member: str, notice: DeviceMoved, hear: Hear) -> None:
        """Act on a move, unless a newer tunnel of the device is on `member` again.

        The engine is asked over the connection of `admit`, whose answers come in order: so none
        can be older than what this process knows.
        """
        key = (notice.account, notice.device)
        try:
            if await self._link.run(HOLDER, *key) == member:
                return
        except EngineError:
            pass  # most likely it has moved: a device comes back within a second only rarely
        if self._members.get(key) == member != notice.member:
            del self._members[key]
        acting = hear(notice)
        if acting is not None:
            await acting

    def forget_member(self, member: str) -> None:
        """Forget the devices of a member that leaves."""
        gone = [key for key, each in self._members.items() if each == member]
        for key in gone:
            del self._members[key]

    async def send_again(self) -> None:
        """Report to an engine that has lost its data which devices the members have."""
        by_member: dict[str, list[tuple[str, str]]] = {}
        for key, member in self._members.items():
            by_member.setdefault(member, []).append(key)
        for member, keys in by_member.items():
            for part in in_parts(keys, PER_CALL):
                left = [key for key in part if self._members.get(key) == member]  # since then
                await self._link.run(DEVICES, member, *(text for key in left for text in key))
