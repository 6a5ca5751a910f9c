"""Who watches gets each second what has changed since the second before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

from tessel_proxy.operations.happenings import Mailbox
from tessel_proxy.operations.inventory import Inventory, Row, Sample
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome
from tessel_proxy.tunnel.shared_state import OpenTunnel

FORGET_S: Final = 10.0
"""Seconds without a look after which a watcher is forgotten: it looks every second."""

MAX_TUNNELS_WATCHED: Final = 64
"""Tunnels of which one look may ask for the substreams: two for each watcher."""

MAX_CHANGES: Final = 20_000
"""Rows of new tunnels, and counts of others, in one look. The rest is told by the next looks."""

MAX_WATCHERS: Final = 64
"""Watchers of one process, each with what it has seen of each tunnel. All watchers at one host are
one here, so these are hosts at which somebody watches."""

TUNNEL_TOPICS: Final = ("tunnels",)


@dataclass(slots=True)
class _Seen:
    """What one watcher has seen, and when it looked last."""

    mailbox: Mailbox
    at: float
    stages: dict[TunnelRecord, tuple[str, str | None]] = field(default_factory=dict)
    samples: Mapping[TunnelRecord, Sample] = field(default_factory=dict)
    moving: set[TunnelRecord] = field(default_factory=set)
    owed: dict[TunnelRecord, None] = field(default_factory=dict)  # changes that are not told yet
    substreams: dict[str, dict[SubstreamRecord, tuple[int, int, str]]] = field(default_factory=dict)


class Watching:
    """The watchers of this process: the pages of one host, or of several."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._seen: dict[str, _Seen] = {}
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
        seen = self._seen.get(watcher)
        if seen is None and len(self._seen) >= MAX_WATCHERS:
            return None
        if seen is None:
            mailbox = self._inventory.happenings.mailboxes.setdefault(watcher, Mailbox())
            seen = self._seen[watcher] = _Seen(mailbox, 0.0)
            if not has_snapshot:
                self._differences(seen)
        seen.at = self._inventory.clock.seconds()
        if self._forgetting is None:
            self._forgetting = self._inventory.clock.callLater(FORGET_S, self._forget)
        fresh, changing = self._differences(seen)  # also without the topic, which may come
        if "tunnels" not in topics:
            fresh, changing = [], {}
        opened, changed = self._changed(seen, fresh, changing, most)
        return {
            "tunnels": {"opened": opened, "changed": changed, "closed": self._closed(seen)},
            "substreams": self._of_tunnels(seen, tunnels[:MAX_TUNNELS_WATCHED]),
            "refusals": seen.mailbox.take_refusals(),
            "totals": self.totals(),
        }

    def totals(self) -> Row:
        """Return what is open now, the rates, and the openings so far."""
        inventory = self._inventory
        samples = inventory.sampled().values()
        return {
            "tunnels": len(inventory.tunnels.all),
            "substreams": len(inventory.records.substreams),
            "bytes_from_device_per_s": sum(each.from_device_per_s for each in samples),
            "bytes_from_target_per_s": sum(each.from_target_per_s for each in samples),
            "opens": inventory.happenings.opens_ever,
        }

    def _differences(
        self, seen: _Seen
    ) -> tuple[Sequence[OpenTunnel], Mapping[TunnelRecord, Sample]]:
        """Return tunnels that are new or in another state, and the samples of others.

        A tunnel that has stopped to move bytes is among the others once more, with rates of 0.
        """
        inventory, samples = self._inventory, self._inventory.sampled()
        fresh, changing = [], {}
        stages, moving = {}, set()
        for tunnel in inventory.tunnels.all:
            record = tunnel.record
            stage = stages[record] = (tunnel.stage, record.account)
            sample, before = samples.get(record), seen.samples.get(record)
            is_owed = record in seen.owed
            if seen.stages.get(record) != stage:
                fresh.append(tunnel)  # its row has the counts
            elif sample is None or (sample is before and not is_owed):
                continue  # idle, as most are
            elif is_owed or _bytes(sample) != _bytes(before) or record in seen.moving:
                changing[record] = sample
            if sample is None:
                continue
            if sample.from_device_per_s or sample.from_target_per_s:
                moving.add(record)
        seen.stages, seen.samples, seen.moving = stages, samples, moving
        return fresh, changing

    def _changed(
        self,
        seen: _Seen,
        fresh: Sequence[OpenTunnel],
        changing: Mapping[TunnelRecord, Sample],
        most: int,
    ) -> tuple[list[Row], list[list[Any]]]:
        """Return rows of fresh tunnels and counts of others, `most` together.

        The next look has the rest; those that wait longest come first.
        """
        inventory = self._inventory
        for late in fresh[most:]:
            del seen.stages[late.record]  # so it is fresh once more
        waiting = dict.fromkeys(each for each in seen.owed if each in changing)
        waiting.update(dict.fromkeys(changing))
        in_turn = list(waiting)
        room = most - len(fresh[:most])
        seen.owed = dict.fromkeys(in_turn[room:])
        counts = [_counts(inventory.id_of(each), changing[each]) for each in in_turn[:room]]
        return inventory.rows(fresh[:most]), counts

    def _closed(self, seen: _Seen) -> list[Row]:
        closed = [
            {
                "id": self._inventory.id_of(record),
                "outcome": outcome.value,
                "error": outcome.error and outcome.error.value,
                "why": record.why,
            }
            for record, outcome in seen.mailbox.closed
        ]
        seen.mailbox.closed.clear()
        seen.mailbox.opened.clear()
        return closed

    def _of_tunnels(self, seen: _Seen, tunnels: Sequence[str]) -> dict[str, Any]:
        """Return the changes of the substreams of tunnels; None for a tunnel of another process."""
        ended = list(seen.mailbox.closed_substreams)
        seen.mailbox.closed_substreams.clear()
        prefix = f"{self._inventory.process.prefix}-"
        seen.substreams = {each: seen.substreams.get(each, {}) for each in tunnels}
        return {
            each: self._substreams(seen, each, ended) if each.startswith(prefix) else None
            for each in tunnels
        }

    def _substreams(
        self,
        seen: _Seen,
        tunnel_id: str,
        ended: Sequence[tuple[SubstreamRecord, Outcome]],
    ) -> dict[str, Any]:
        inventory = self._inventory
        before = seen.substreams.get(tunnel_id, {})
        tunnel = inventory.find(tunnel_id)
        now: dict[SubstreamRecord, tuple[int, int, str]] = {}
        opened, changed = [], []
        for each in inventory.records.substreams:
            if tunnel is None or each.of is not tunnel.record:
                continue
            state = "open" if each.address else "connecting"
            count = now[each] = (each.bytes_from_device, each.bytes_from_target, state)
            if each not in before:
                opened.append(inventory.substream_row(each))
            elif before[each] != count:
                changed.append([each.substream, *count])
        seen.substreams[tunnel_id] = now
        closed = [
            {
                **inventory.substream_row(record),
                "outcome": outcome.value,
                "error": outcome.error and outcome.error.value,
                "why": "",
            }
            for record, outcome in ended
            if inventory.id_of(record.of) == tunnel_id
        ]
        return {"opened": opened, "changed": changed, "closed": closed}

    def _forget(self) -> None:
        """Forget the watchers that have not looked for FORGET_S, and what was kept for them."""
        now = self._inventory.clock.seconds()
        for watcher in [each for each, seen in self._seen.items() if now - seen.at >= FORGET_S]:
            del self._seen[watcher]
            del self._inventory.happenings.mailboxes[watcher]
        self._forgetting = None
        if self._seen:
            self._forgetting = self._inventory.clock.callLater(FORGET_S, self._forget)


def _bytes(sample: Sample | None) -> tuple[int, int, int] | None:
    if sample is None:
        return None
    return sample.bytes_from_device, sample.bytes_from_target, sample.open_substreams


def _counts(tunnel_id: str, sample: Sample) -> list[Any]:
    return [
        tunnel_id,
        sample.bytes_from_device,
        sample.bytes_from_target,
        round(sample.from_device_per_s, 1),
        round(sample.from_target_per_s, 1),
        sample.open_substreams,
    ]
