"""What is open in this process, as rows for the operator. Nothing is counted before it is asked.

Times in rows are seconds since 1970, as everybody's clock shows them; the records have the times of
the proxy's own clock.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.operations.happenings import AccountRefusals, Happenings
from tessel_proxy.operations.usage import OpenRecords
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.peers import host_of_peer
from tessel_proxy.tunnel.shared_state import OpenTunnel, TunnelRegistry
from tessel_service_kit.clocks import WallTime

MAX_SUBSTREAMS_SHOWN: Final = 1000
"""Substreams of one tunnel in an answer."""

FRESH_S: Final = 0.5
"""Seconds in which the rates are not computed anew: the next sample would be too short."""

VERSION: Final = version("tessel-proxy")
"""Of the running code, also after another version was installed. To read it takes 0.5 ms."""

Row = dict[str, Any]


@dataclass(slots=True)
class Sample:
    """The bytes of a tunnel at the last look, its open substreams, and its rates since before."""

    bytes_from_device: int = 0
    bytes_from_target: int = 0
    open_substreams: int = 0
    from_device_per_s: float = 0.0
    from_target_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Process:
    """How this process is called: `member` among all processes, `proxy` its host."""

    member: str
    proxy: str
    role: str
    started_at: float

    @property
    def prefix(self) -> str:
        """The beginning of the ids of its tunnels."""
        return prefix_of(self.member)


def prefix_of(member: str) -> str:
    """Return the beginning of the ids of a process's tunnels."""
    return sha256(member.encode()).hexdigest()[:8]


@dataclass(slots=True)
class Inventory:
    """Makes the rows of one process."""

    process: Process
    records: OpenRecords
    tunnels: TunnelRegistry
    limits: AccountLimits
    config: LimitSettings
    happenings: Happenings
    clock: IReactorTime
    wall_time: WallTime
    _samples: dict[TunnelRecord, Sample] = field(default_factory=dict)
    _sampled_at: float = -1e9
    _opens_per_s: dict[str, float] = field(default_factory=dict)

    def sampled(self) -> Mapping[TunnelRecord, Sample]:
        """Return what the active tunnels have moved, with the rates since the sample before.

        Active are tunnels with open substreams, those in which one has ended since the sample
        before, and those that were active then. All others are idle: see `sample_of`.
        """
        now = self.clock.seconds()
        passed_s = now - self._sampled_at
        if passed_s < FRESH_S:
            return self._samples
        self._sampled_at = now
        ended_in, before = self.happenings.take_ended_in(), self._samples
        self._samples = self._active(
            [*ended_in, *(each for each in before if _moved(before[each]))]
        )
        for record, sample in self._samples.items():
            old = before.get(record)
            nbytes = ended_in.get(record, _totals(record)) if old is None else _totals(old)
            sample.from_device_per_s = (sample.bytes_from_device - nbytes[0]) / passed_s
            sample.from_target_per_s = (sample.bytes_from_target - nbytes[1]) / passed_s
        self._opens_per_s = {
            account: count / passed_s for account, count in self.happenings.take_opens().items()
        }
        for mailbox in self.happenings.mailboxes.values():
            mailbox.active.update(self._samples)
        return self._samples

    def _active(self, others: Iterable[TunnelRecord]) -> dict[TunnelRecord, Sample]:
        """Return the bytes of open tunnels: those with open substreams, and `others`."""
        is_open = self.records.tunnels
        found = {each: _idle(each) for each in others if each in is_open}
        for substream in self.records.substreams:
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

    def sample_of(self, record: TunnelRecord) -> Sample:
        """Return what a tunnel had moved at the last sample."""
        return self._samples.get(record) or _idle(record)

    def id_of(self, record: TunnelRecord) -> str:
        """Return the id of a tunnel, unique among all processes."""
        return f"{self.process.prefix}-{record.tunnel}"

    def find(self, tunnel_id: str) -> OpenTunnel | None:
        """Return the open tunnel with an id, or None."""
        prefix, _, number = tunnel_id.rpartition("-")
        if prefix != self.process.prefix:
            return None
        return next((each for each in self._open() if str(each.record.tunnel) == number), None)

    def _open(self) -> Iterator[OpenTunnel]:
        """Yield the tunnels that are not closing: a slow device may take seconds to close one."""
        return (each for each in self.tunnels.all if each.stage != "closing")

    def rows(self, tunnels: Iterable[OpenTunnel]) -> list[Row]:
        """Return a row for each of these tunnels."""
        self.sampled()
        return [self._row(each, self.sample_of(each.record)) for each in tunnels]

    def selected(
        self, account: str | None, device: str | None, address: str | None
    ) -> list[OpenTunnel]:
        """Return the tunnels of an account, a device and an address, in the order of their ids.

        None: of any.
        """
        found = [
            each
            for each in self._open()
            if account in (None, each.record.account)
            and device in (None, each.record.device)
            and address in (None, host_of_peer(each.record.peer))
        ]
        return sorted(found, key=lambda each: each.record.tunnel)

    def _row(self, tunnel: OpenTunnel, sample: Sample) -> Row:
        record, tls = tunnel.record, tunnel.tls or (None, None)
        return {
            "id": self.id_of(record),
            "proxy": self.process.proxy,
            "member": self.process.member,
            "account": record.account,
            "device": record.device,
            "address": host_of_peer(record.peer),
            "listener": record.listener.value,
            "since_at": self.wall_time_of(record.started_at),
            "tls_version": tls[0],
            "tls_cipher": tls[1],
            "resumed": record.resumed,
            "features": sorted(record.features),
            "bytes_from_device": sample.bytes_from_device,
            "bytes_from_target": sample.bytes_from_target,
            "bytes_from_device_per_s": round(sample.from_device_per_s, 1),
            "bytes_from_target_per_s": round(sample.from_target_per_s, 1),
            "open_substreams": sample.open_substreams,
            "substreams": record.substreams + sample.open_substreams,
            "state": tunnel.stage,
        }

    def wall_time_of(self, at: float) -> float:
        """Return a time of the proxy's clock in seconds since 1970."""
        return round(self.wall_time() - (self.clock.seconds() - at), 3)

    def substreams_of(self, record: TunnelRecord) -> list[Row]:
        """Return the open substreams of a tunnel, the first MAX_SUBSTREAMS_SHOWN."""
        found = [each for each in self.records.substreams if each.of is record]
        found.sort(key=lambda each: each.substream)
        return [self.substream_row(each) for each in found[:MAX_SUBSTREAMS_SHOWN]]

    def substream_row(self, record: SubstreamRecord) -> Row:
        """Return the row of a substream; it is connecting until the target's address is known."""
        return {
            "number": record.substream,
            "kind": record.kind,
            "target": record.target,
            "address": record.address,
            "state": "open" if record.address else "connecting",
            "since_at": self.wall_time_of(record.started_at),
            "bytes_from_device": record.bytes_from_device,
            "bytes_from_target": record.bytes_from_target,
        }

    def accounts(self, limit: int, after: str) -> Row:
        """Return a row for each account with something open, or refused lately, ordered by name.

        Those after the name `after`; `limit` + 1 at most, and `more` says whether others follow.
        """
        known = {
            account
            for account, usage in self.limits.by_account.items()
            if usage.tunnels or usage.substreams
        }
        names = sorted(name for name in known | set(self.happenings.by_account) if name > after)
        page = names[: limit + 1]
        sums = {name: Sample() for name in page}
        for record, sample in self.sampled().items():
            if (total := sums.get(record.account or "")) is not None:
                total.from_device_per_s += sample.from_device_per_s
                total.from_target_per_s += sample.from_target_per_s
        rows = [self._account_row(name, sums[name]) for name in page]
        return {"rows": rows, "more": len(names) > len(page)}

    def _account_row(self, account: str, sums: Sample) -> Row:
        usage = self.limits.by_account.get(account)
        refusals = self.happenings.by_account.get(account) or AccountRefusals()
        return {
            "account": account,
            "tunnels": usage.tunnels if usage else 0,
            "substreams": usage.substreams if usage else 0,
            "bytes_today": None,
            "limits": {
                "tunnels": self.config.max_tunnels_per_account,
                "substreams": self.config.max_substreams_per_account,
                "opens_per_s": self.config.opens_per_s,
                "bytes_per_s": self.config.bytes_per_s,
                "bytes_per_day": self.config.bytes_per_day,
            },
            "bytes_from_device_per_s": round(sums.from_device_per_s, 1),
            "bytes_from_target_per_s": round(sums.from_target_per_s, 1),
            "opens_per_s": round(self._opens_per_s.get(account, 0.0), 2),
            "refused": dict(refusals.counts),
            "last_refusal": refusals.last,
        }

    def status(self, obstacles: list[str], *, draining: bool) -> Row:
        """Return the row of this process."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        busy = [each for each in self.limits.tallies if each.tunnels or each.substreams]
        return {
            "proxy": self.process.proxy,
            "member": self.process.member,
            "pid": os.getpid(),
            "role": self.process.role,
            "version": VERSION,
            "since_at": self.process.started_at,
            "ready": not obstacles,
            "obstacles": obstacles,
            "draining": draining,
            "tunnels": len(self.tunnels.all),
            "substreams": len(self.records.substreams),
            "accounts": len(busy),
            "cpu_s": round(used.ru_utime + used.ru_stime, 3),
            "memory_bytes": _memory_bytes(used.ru_maxrss),
        }


def _idle(record: TunnelRecord) -> Sample:
    """Return the sample of a tunnel without open substreams."""
    return Sample(record.bytes_from_device, record.bytes_from_target)


def _totals(of: TunnelRecord | Sample) -> tuple[int, int]:
    return of.bytes_from_device, of.bytes_from_target


def _moved(sample: Sample) -> bool:
    """Return whether a sample differs from that of an idle tunnel, so that one more follows it."""
    return bool(sample.open_substreams or sample.from_device_per_s or sample.from_target_per_s)


def _memory_bytes(most_kib: int) -> int:
    """Return the memory of this process now; without /proc, the most that it had."""
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 -- no file
            return int(pages.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return most_kib * 1024
