"""A substream that a device has opened -> its Outbound, or a refusal."""

from __future__ import annotations

from streamplex.conversation import CLOSED, substream_kind
from streamplex.tx import Substream
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome
from tessel_proxy.relay.outbound import Outbound
from tessel_proxy.relay.tunnel_context import TunnelContext
from tessel_proxy.tunnel.shared_state import SharedState


class Serving:
    """Serves or refuses each new substream of one tunnel."""

    def __init__(self, shared: SharedState, record: TunnelRecord) -> None:
        self._shared = shared
        self._record = record

    def serve(self, substream: Substream, context: TunnelContext, open_now: int) -> None:
        """Connect a new substream to an Outbound, or refuse it if a limit is reached.

        `open_now`: number of open substreams of the tunnel, including this one.
        """
        if open_now > self._shared.config.max_substreams:
            self.refuse(substream, Outcome.TOO_MANY_SUBSTREAMS)
        elif not substream.is_promised:
            self.refuse(substream, Outcome.WINDOWS_USED_UP)
        elif too_many := context.usage.open_substream():
            self.refuse(substream, too_many)
        else:
            kind = substream_kind(substream.name)
            substream.attach(Outbound(context, kind, self._record_of(substream)))

    def refuse(self, substream: Substream, why: Outcome) -> None:
        """Send the device an error, close the substream and log `why`."""
        record = self._record_of(substream)
        substream.fail(f"connect {why.device_error}")
        substream.loseWriteConnection()
        substream.emit(CLOSED)
        substream.release()
        record.close(self._shared.clock.seconds(), why)

    def _record_of(self, substream: Substream) -> SubstreamRecord:
        return SubstreamRecord(
            of=self._record,
            substream=substream.channel,
            kind=substream_kind(substream.name).value,
            started_at=self._shared.clock.seconds(),
        )
