"""Reports to one watcher, at each look, only what has changed in this process since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from tessel_proxy.operations.happenings import Mailbox
from tessel_proxy.operations.inventory import Inventory, Row
from tessel_proxy.operations.samples import Sample
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome, TunnelOutcome
from tessel_proxy.tunnel.shared_state import OpenTunnel

_Stage: TypeAlias = tuple[str, str | None]  # with the account, which is known before "open"
_Counts: TypeAlias = tuple[int, int, str]  # bytes from device and from target, and the state


class Watcher:
    """Reports the changes of tunnels and their substreams since the look before."""

    def __init__(self, inventory: Inventory, mailbox: Mailbox) -> None:
        """`mailbox` gets what happens from now on."""
        self.mailbox = mailbox
        self.looked_at = 0.0
        self._inventory = inventory
        self._reported: set[OpenTunnel] = set()
        self._passing: dict[OpenTunnel, _Stage] = {}  # tunnels in another stage than "open"
        self._samples: Mapping[TunnelRecord, Sample] = {}
        self._late: dict[TunnelRecord, None] = {}  # whose counts did not fit into the last look
        self._substreams: dict[str, dict[SubstreamRecord, _Counts]] = {}

    def catch_up(self) -> None:
        """Take all tunnels as they are now for reported."""
        self._differences()
        self._late = {}

    def changes(self, most: int) -> tuple[list[Row], list[list[Any]]]:
        """Return rows of tunnels that are new or in another stage, and counts of others.

        `most` together. The next look has the rest; those that wait longest come first.
        """
        inventory = self._inventory
        fresh, changing = self._differences()
        for late in fresh[most:]:
            self._reported.discard(late)  # so it is new once more
        waiting = dict.fromkeys(each for each in self._late if each in changing)
        waiting.update(dict.fromkeys(changing))
        in_turn = list(waiting)
        room = most - len(fresh[:most])
        self._late = dict.fromkeys(in_turn[room:])
        counts = [_counts(inventory.id_of(each), changing[each]) for each in in_turn[:room]]
        return inventory.rows(fresh[:most]), counts

    def closed(self) -> list[Row]:
        """Return the ids of tunnels that have closed, with their outcomes."""
        closed = [
            {"id": self._inventory.id_of(record), **_end(outcome, record.why)}
            for record, outcome in self.mailbox.closed
        ]
        self.mailbox.closed.clear()
        self.mailbox.opened.clear()
        return closed

    def substreams(self, tunnels: Sequence[str]) -> dict[str, Any]:
        """Return the changes of the substreams of tunnels; None for a tunnel of another process."""
        ended = list(self.mailbox.closed_substreams)
        self.mailbox.closed_substreams.clear()
        prefix = f"{self._inventory.process.prefix}-"
        self._substreams = {each: self._substreams.get(each, {}) for each in tunnels}
        return {
            each: self._substreams_of(each, ended) if each.startswith(prefix) else None
            for each in tunnels
        }

    def _differences(self) -> tuple[Sequence[OpenTunnel], Mapping[TunnelRecord, Sample]]:
        """Return tunnels that are new or in another stage, and the samples of others.

        Idle tunnels are not visited one by one: most are.
        """
        samples = self._inventory.samples.active()
        fresh = self._fresh()
        changing = self._changing(samples, {each.record for each in fresh})
        self._samples = samples
        return fresh, changing

    def _fresh(self) -> list[OpenTunnel]:
        """Return tunnels that are new, or in another stage than at the last look."""
        tunnels, reported, before = self._inventory.tunnels, self._reported, self._passing
        new = tunnels.all - reported
        passing = {
            each: (each.stage, each.record.account)
            for each in tunnels.unauthenticated | tunnels.closing
        }
        if len(reported) + len(new) > len(tunnels.all):
            reported &= tunnels.all  # some have closed
        opened = (before.keys() - passing.keys()) & reported
        other = {each for each, stage in passing.items() if stage != before.get(each)} & reported
        reported |= new
        self._passing = passing
        return [*new, *opened, *other]

    def _changing(
        self, samples: Mapping[TunnelRecord, Sample], fresh: AbstractSet[TunnelRecord]
    ) -> Mapping[TunnelRecord, Sample]:
        """Return the samples of tunnels that have moved bytes, or have other open substreams.

        One that has stopped to move bytes is among them once more, with rates of 0.
        """
        found, is_open = {}, self._inventory.records.tunnels
        active = self.mailbox.take_active()
        for record in (active | self._samples.keys() | self._late.keys()) - fresh:
            before, sample = self._samples.get(record), samples.get(record)
            if sample is before and record not in self._late and record not in active:
                continue
            sample = sample or self._inventory.samples.of(record)
            if record in is_open and (record in self._late or sample.differs(before)):
                found[record] = sample
        return found

    def _substreams_of(
        self, tunnel_id: str, ended: Sequence[tuple[SubstreamRecord, Outcome]]
    ) -> dict[str, Any]:
        inventory, before = self._inventory, self._substreams[tunnel_id]
        tunnel = inventory.find(tunnel_id)
        now: dict[SubstreamRecord, _Counts] = {}
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
        self._substreams[tunnel_id] = now
        closed = [
            inventory.substream_row(record) | _end(outcome, "")
            for record, outcome in ended
            if inventory.id_of(record.of) == tunnel_id
        ]
        return {"opened": opened, "changed": changed, "closed": closed}


def _end(outcome: Outcome | TunnelOutcome, why: str) -> Row:
    return {"outcome": outcome.value, "error": outcome.error and outcome.error.value, "why": why}


def _counts(tunnel_id: str, sample: Sample) -> list[Any]:
    return [
        tunnel_id,
        sample.bytes_from_device,
        sample.bytes_from_target,
        round(sample.from_device_per_s, 1),
        round(sample.from_target_per_s, 1),
        sample.open_substreams,
    ]
