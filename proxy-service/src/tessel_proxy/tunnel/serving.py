"""The records of a tunnel's substreams, and the refusal of a substream."""

from __future__ import annotations

from streamplex.conversation import CLOSED, SubstreamKind, substream_kind
from streamplex.tx import Substream
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome


def record_of(
    substream: Substream, kind: SubstreamKind, tunnel: TunnelRecord, now: float
) -> SubstreamRecord:
    """Return the record of a substream that was opened now, in seconds of the proxy's clock."""
    return SubstreamRecord(
        of=tunnel,
        substream=substream.channel,
        kind=kind._value_,  # `value` takes two calls
        started_at=now,
    )


def refuse(substream: Substream, tunnel: TunnelRecord, why: Outcome, now: float) -> None:
    """Send the device an error, close the substream and log `why`.

    `tunnel` is the record of its tunnel, `now` the time on the proxy's clock in seconds.
    """
    record = record_of(substream, substream_kind(substream.name), tunnel, now)
    substream.fail(f"connect {why.device_error}")
    substream.loseWriteConnection()
    substream.emit(CLOSED)
    substream.release()
    record.close(now, why)
