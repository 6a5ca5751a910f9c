"""Computes how fast tunnels and accounts move bytes and open substreams, when somebody asks.

Most tunnels of a proxy are idle: a sample visits only those that have moved something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.operations.usage import OpenRecords
from tessel_proxy.records.accounting import TunnelRecord

FRESH_S: Final = 0.5
"""Seconds in which the rates are not computed anew: the next sample would be too short."""


@dataclass(slots=True)
class Sample:
    """The bytes of a tunnel, its open substreams, and its rates since the sample before."""

    bytes_from_device: int = 0
    bytes_from_target: int = 0
    open_substreams: int = 0
    from_device_per_s: float = 0.0
    from_target_per_s: float = 0.0

    def differs(self, before: Sample | None) -> bool:
        """Return whether the tunnel has moved since, moves no more, or has other open substreams.

        `before` None: the tunnel was idle then, and was active since.
        """
        return before is None or bool(
            (before.bytes_from_device, before.bytes_from_target, before.open_substreams)
            != (self.bytes_from_device, self.bytes_from_target, self.open_substreams)
            or before.from_device_per_s
            or before.from_target_per_s
        )


class Samples:
    """Takes a sample of the active tunnels of this process, when somebody asks."""

    def __init__(self, records: OpenRecords, happenings: Happenings, clock: IReactorTime) -> None:
        self._records = records
        self._happenings = happenings
        self._clock = clock
        self._active: Mapping[TunnelRecord, Sample] = {}
        self._sampled_at = -1e9
        self._opens_per_s: Mapping[str, float] = {}

    def active(self) -> Mapping[TunnelRecord, Sample]:
        """Return what the active tunnels have moved, with the rates since the sample before.

        Active are tunnels with open substreams, those in which one has ended since the sample
        before, and those that were active then. All others are idle: see `of`.
        """
        now = self._clock.seconds()
        passed_s = now - self._sampled_at
        if passed_s < FRESH_S:
            return self._active
        self._sampled_at = now
        ended_in, before = self._happenings.take_ended_in(), self._active
        self._active = self._counted([*ended_in, *(one for one in before if _moved(before[one]))])
        for record, sample in self._active.items():
            old = before.get(record)
            nbytes = ended_in.get(record, _totals(record)) if old is None else _totals(old)
            sample.from_device_per_s = (sample.bytes_from_device - nbytes[0]) / passed_s
            sample.from_target_per_s = (sample.bytes_from_target - nbytes[1]) / passed_s
        self._opens_per_s = {
            account: count / passed_s for account, count in self._happenings.take_opens().items()
        }
        for mailbox in self._happenings.mailboxes.values():
            mailbox.active.update(self._active)
        return self._active

    def of(self, record: TunnelRecord) -> Sample:
        """Return what a tunnel had moved at the last sample."""
        return self._active.get(record) or _idle(record)

    def opens_per_s(self, account: str) -> float:
        """Return how many substreams an account opened per second before the last sample."""
        return self._opens_per_s.get(account, 0.0)

    def _counted(self, others: Iterable[TunnelRecord]) -> dict[TunnelRecord, Sample]:
        """Return the bytes of open tunnels: those with open substreams, and `others`."""
        is_open = self._records.tunnels
        found = {each: _idle(each) for each in others if each in is_open}
        for substream in self._records.substreams:
            record = substream.of
            sample = found.get(record)
            if sample is None:
                if record not in is_open:
                    continue
                sample = found[record] = _idle(record)
            sample.bytes_from_device += substream.bytes_from_device
            sample.bytes_from_target += substream.bytes_from_target
            sample.open_substreams += 1
        return found


def _idle(record: TunnelRecord) -> Sample:
    """Return the sample of a tunnel without open substreams."""
    return Sample(record.bytes_from_device, record.bytes_from_target)


def _totals(of: TunnelRecord | Sample) -> tuple[int, int]:
    return of.bytes_from_device, of.bytes_from_target


def _moved(sample: Sample) -> bool:
    """Return whether a sample differs from that of an idle tunnel, so that one more follows it."""
    return bool(sample.open_substreams or sample.from_device_per_s or sample.from_target_per_s)
