"""The watchers of this process, which look every second for what has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

from tessel_proxy.operations.happenings import Mailbox
from tessel_proxy.operations.inventory import Inventory, Row
from tessel_proxy.operations.watcher import Watcher

FORGET_S: Final = 10.0
"""Seconds without a look after which a watcher is forgotten: it looks every second."""

MAX_TUNNELS_WATCHED: Final = 64
"""Tunnels of which one look may ask for the substreams: two for each watcher."""

MAX_CHANGES: Final = 20_000
"""Rows of new tunnels, and counts of others, in one look. The rest follows with the next looks."""

MAX_WATCHERS: Final = 64
"""Watchers of one process, each with what it has seen of each tunnel. All watchers at one host are
one here, so these are hosts at which somebody watches."""

TUNNEL_TOPICS: Final = ("tunnels",)


class Watching:
    """The watchers of this process: the pages of one host, or of several."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._watchers: dict[str, Watcher] = {}
        self._forgetting: IDelayedCall | None = None

    def look(
        self,
        watcher: str,
        tunnels: Sequence[str],
        topics: Sequence[str] = TUNNEL_TOPICS,
        most: int = MAX_CHANGES,
        *,
        has_snapshot: bool = False,
    ) -> dict[str, Any] | None:
        """Return what has changed since this watcher's last look.

        The first look has no changes, because the watcher takes a snapshot after it. If the watcher
        has one already, this process came later, and all its tunnels are new to the watcher.
        None: there are MAX_WATCHERS others.

        Args:
            watcher: the name of the watcher.
            tunnels: ids of tunnels whose substreams are wanted, too.
            topics: without "tunnels", rows and counts of tunnels are not wanted.
            most: rows of new tunnels, and counts of others, in the result.
            has_snapshot: whether the watcher began before its first look here.
        """
        found = self._watchers.get(watcher)
        if found is None:
            if len(self._watchers) >= MAX_WATCHERS:
                return None
            found = self._added(watcher)
            if not has_snapshot:
                found.catch_up()
        found.looked_at = self._inventory.clock.seconds()
        if "tunnels" in topics:
            opened, changed = found.changes(most)
        else:
            found.catch_up()  # the topic may be wanted later
            opened, changed = [], []
        return {
            "tunnels": {"opened": opened, "changed": changed, "closed": found.closed()},
            "substreams": found.substreams(tunnels[:MAX_TUNNELS_WATCHED]),
            "refusals": found.mailbox.take_refusals(),
            "totals": self._totals(),
        }

    def _totals(self) -> Row:
        """Return what is open now, the rates, and the openings so far."""
        inventory = self._inventory
        samples = inventory.samples.active().values()
        return {
            "tunnels": len(inventory.tunnels.all),
            "substreams": len(inventory.records.substreams),
            "bytes_from_device_per_s": sum(each.from_device_per_s for each in samples),
            "bytes_from_target_per_s": sum(each.from_target_per_s for each in samples),
            "opens": inventory.happenings.opens_ever,
        }

    def _added(self, name: str) -> Watcher:
        mailbox = self._inventory.happenings.mailboxes.setdefault(name, Mailbox())
        found = self._watchers[name] = Watcher(self._inventory, mailbox)
        if self._forgetting is None:
            self._forgetting = self._inventory.clock.callLater(FORGET_S, self._forget)
        return found

    def _forget(self) -> None:
        """Forget the watchers that have not looked for FORGET_S, and what was kept for them."""
        oldest = self._inventory.clock.seconds() - FORGET_S
        for name in [name for name, one in self._watchers.items() if one.looked_at <= oldest]:
            del self._watchers[name]
            del self._inventory.happenings.mailboxes[name]
        self._forgetting = None
        if self._watchers:
            self._forgetting = self._inventory.clock.callLater(FORGET_S, self._forget)
