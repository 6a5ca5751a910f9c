"""Rows for the operator: the open tunnels and substreams, and the accounts, of this process.

Times in rows are seconds since 1970, as everybody's clock shows them; the records have the times of
the proxy's own clock.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.operations.happenings import AccountRefusals, Happenings
from tessel_proxy.operations.samples import Sample, Samples
from tessel_proxy.operations.usage import OpenRecords
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.peers import host_of_peer
from tessel_proxy.tunnel.shared_state import OpenTunnel, TunnelRegistry
from tessel_service_kit.clocks import WallTime

MAX_SUBSTREAMS_SHOWN: Final = 1000
"""Substreams of one tunnel in an answer."""

VERSION: Final = version("tessel-proxy")
"""Of the running code, also after another version was installed. To read it takes 0.5 ms."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Process:
    """The names of this process: `member` among all processes, `proxy` its host."""

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
    samples: Samples = field(init=False)

    def __post_init__(self) -> None:
        self.samples = Samples(self.records, self.happenings, self.clock)

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
        self.samples.active()
        return [self._row(each, self.samples.of(each.record)) for each in tunnels]

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
        for record, sample in self.samples.active().items():
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
            "opens_per_s": round(self.samples.opens_per_s(account), 2),
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


def _memory_bytes(most_kib: int) -> int:
    """Return the memory of this process now; without /proc, the most that it had."""
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 -- no file
            return int(pages.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return most_kib * 1024
