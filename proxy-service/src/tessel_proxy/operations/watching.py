"""Who watches gets each second what has changed since the second before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

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
"""Rows of new tunnels, and counts of others, in one look. The rest follows with the next looks."""

MAX_WATCHERS: Final = 64
"""Watchers of one process, each with what it has seen of each tunnel. All watchers at one host are
one here, so these are hosts at which somebody watches."""

TUNNEL_TOPICS: Final = ("tunnels",)

_Stage: TypeAlias = tuple[str, str | None]  # with the account, which is known before "open"


@dataclass(slots=True)
class _Seen:
    """What one watcher has seen, and when it looked last."""

    mailbox: Mailbox
    at: float
    told: set[OpenTunnel] = field(default_factory=set)
    passing: dict[OpenTunnel, _Stage] = field(default_factory=dict)  # those in another than "open"
    samples: Mapping[TunnelRecord, Sample] = field(default_factory=dict)
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

        Idle tunnels are not visited one by one: most are.
        """
        samples = self._inventory.sampled()
        fresh = self._fresh(seen)
        changing = self._changing(seen, samples, {each.record for each in fresh})
        seen.samples = samples
        return fresh, changing

    def _fresh(self, seen: _Seen) -> list[OpenTunnel]:
        """Return tunnels that are new, or in another state than at the last look."""
        tunnels = self._inventory.tunnels
        new = tunnels.all - seen.told
        passing = {
            each: (each.stage, each.record.account)
            for each in tunnels.unauthenticated | tunnels.closing
        }
        told = seen.told
        if len(told) + len(new) > len(tunnels.all):
            told &= tunnels.all  # some have closed
        opened = (seen.passing.keys() - passing.keys()) & told
        other = {each for each, stage in passing.items() if stage != seen.passing.get(each)} & told
        told |= new
        seen.passing = passing
        return [*new, *opened, *other]

    def _changing(
        self,
        seen: _Seen,
        samples: Mapping[TunnelRecord, Sample],
        fresh: AbstractSet[TunnelRecord],
    ) -> Mapping[TunnelRecord, Sample]:
        """Return the samples of tunnels that have moved bytes, or have other open substreams.

        One that has stopped to move bytes is among them once more, with rates of 0.
        """
        found, is_open = {}, self._inventory.records.tunnels
        active = seen.mailbox.take_active()
        for record in (active | seen.samples.keys() | seen.owed.keys()) - fresh:
            before, sample = seen.samples.get(record), samples.get(record)
            if sample is before and record not in seen.owed and record not in active:
                continue
            sample = sample or self._inventory.sample_of(record)
            if record in is_open and (record in seen.owed or _differs(before, sample)):
                found[record] = sample
        return found

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
            seen.told.discard(late)  # so it is new once more
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


def _differs(before: Sample | None, now: Sample) -> bool:
    """Return whether a tunnel has moved, moves no more, or has other open substreams."""
    if before is None:  # it was idle, and was active since
        return True
    return bool(
        (before.bytes_from_device, before.bytes_from_target, before.open_substreams)
        != (now.bytes_from_device, now.bytes_from_target, now.open_substreams)
        or before.from_device_per_s
        or before.from_target_per_s
    )


def _counts(tunnel_id: str, sample: Sample) -> list[Any]:
    return [
        tunnel_id,
        sample.bytes_from_device,
        sample.bytes_from_target,
        round(sample.from_device_per_s, 1),
        round(sample.from_target_per_s, 1),
        sample.open_substreams,
    ]
