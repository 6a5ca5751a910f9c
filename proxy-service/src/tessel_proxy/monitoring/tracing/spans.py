"""The spans of tunnels and substreams: tunnel -> substream -> lookup, dial, tls.

A tunnel that is not sampled has no trace, and none of its substreams has one.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from twisted.internet.interfaces import IReactorTime

from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord, Witness
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.traces import Step
from tessel_service_kit.clocks import WallTime

NO_PARENT: Final = Context()
NS_PER_S: Final = 1_000_000_000


class RecordedSpan:
    """A span of a tunnel or substream, with the times of the proxy's clock.

    `offset_s` added to that clock is the time since 1970, as it was when the span began.
    """

    __slots__ = ("_context", "_span", "_tracer", "offset_s", "trace_id")

    def __init__(self, span: Span, tracer: Tracer, offset_s: float) -> None:
        self._span = span
        self._tracer = tracer
        self.offset_s = offset_s
        self._context = set_span_in_context(span, NO_PARENT)
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def begin(self, name: str, began: float) -> Span:
        """Begin a span below this one, at a time of the proxy's clock, and return it."""
        return self._tracer.start_span(name, self._context, start_time=self._ns(began))

    def step(self, step: Step, began: float, ended: float) -> None:
        """Record a step that has ended; times are seconds of the proxy's clock."""
        self.begin(step.value, began).end(self._ns(ended))

    def end(
        self, now: float, error: ErrorCode | None, attributes: dict[str, str | int | bool]
    ) -> None:
        """End the span with its last attributes; with `error`, its status is an error."""
        self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_attribute("tessel.error", error.value)
            self._span.set_status(Status(StatusCode.ERROR, error.name.lower()))
        self._span.end(self._ns(now))

    def _ns(self, moment: float) -> int:
        return int((moment + self.offset_s) * NS_PER_S)


class TracingWitness:
    """A Witness that makes spans, and passes each event on to another witness."""

    def __init__(
        self, below: Witness, tracer: Tracer, clock: IReactorTime, wall_time: WallTime
    ) -> None:
        self._below = below
        self._tracer = tracer
        self._clock = clock
        self._wall_time = wall_time

    def tunnel_opened(self, record: TunnelRecord) -> None:
        """Called when a tunnel opens: begins its span, if it is sampled."""
        self._below.tunnel_opened(record)
        offset_s = self._offset_s()
        start_ns = int((record.started_at + offset_s) * NS_PER_S)
        span = self._tracer.start_span("tunnel", NO_PARENT, SpanKind.SERVER, start_time=start_ns)
        if span.is_recording():
            record.trace = RecordedSpan(span, self._tracer, offset_s)

    def tunnel_secured(self, record: TunnelRecord) -> None:
        """Called when a TLS handshake is complete."""
        self._below.tunnel_secured(record)
        if isinstance(record.trace, RecordedSpan):
            began = record.started_at
            record.trace.step(Step.HANDSHAKE, began, began + record.handshake_s)

    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None:
        """Called when a tunnel ends: ends its span. A load balancer's TCP check is not sent."""
        self._below.tunnel_closed(record, outcome)
        if isinstance(record.trace, RecordedSpan) and outcome is not TunnelOutcome.NOTHING_SENT:
            record.trace.end(self._clock.seconds(), outcome.error, _of_tunnel(record, outcome))

    def substream_opened(self, record: SubstreamRecord) -> None:
        """Called when a substream opens: begins its span, if its tunnel has one."""
        self._below.substream_opened(record)
        tunnel = record.of.trace
        if isinstance(tunnel, RecordedSpan):
            span = tunnel.begin("substream", record.started_at)
            record.trace = RecordedSpan(span, self._tracer, tunnel.offset_s)

    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None:
        """Called when a substream ends: ends its span."""
        self._below.substream_closed(record, outcome)
        if isinstance(record.trace, RecordedSpan):
            ended = record.started_at + record.lasted_s
            record.trace.end(ended, outcome.error, _of_substream(record, outcome))

    def refused(self, why: Refusal, peer: str, record: TunnelRecord | None = None) -> None:
        """Called when a tunnel or a token is refused: passes it on."""
        self._below.refused(why, peer, record)

    def tcp_checked(self) -> None:
        """Called when a load balancer connected and closed: passes it on."""
        self._below.tcp_checked()

    def _offset_s(self) -> float:
        return self._wall_time() - self._clock.seconds()


def _of_tunnel(record: TunnelRecord, outcome: TunnelOutcome) -> dict[str, str | int | bool]:
    return {
        "client.address": record.peer,
        "tessel.tunnel": record.tunnel,
        "tessel.listener": record.listener.value,
        "tessel.resumed": record.resumed,
        "tessel.account": record.account or "",
        "tessel.device": record.device or "",
        "tessel.substreams": record.substreams,
        "tessel.bytes_from_device": record.bytes_from_device,
        "tessel.bytes_from_target": record.bytes_from_target,
        "tessel.outcome": outcome.value,
    }


def _of_substream(record: SubstreamRecord, outcome: Outcome) -> dict[str, str | int | bool]:
    return {
        "server.address": record.target,
        "network.peer.address": record.address,
        "tessel.tunnel": record.of.tunnel,
        "tessel.substream": record.substream,
        "tessel.kind": record.kind,
        "tessel.account": record.of.account or "",
        "tessel.device": record.of.device or "",
        "tessel.bytes_from_device": record.bytes_from_device,
        "tessel.bytes_from_target": record.bytes_from_target,
        "tessel.outcome": outcome.value,
    }
