"""Send spans to a collector, in a thread: the reactor only puts them into a queue."""

from __future__ import annotations

import logging
from importlib.metadata import version
from threading import Thread
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tessel_proxy.monitoring.tracing.choice import ITracingReactor
from tessel_proxy.monitoring.tracing.spans import TracingWitness
from tessel_proxy.records.accounting import Witness
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.repeated_lines import LineKind, LogLines
from tessel_service_kit.clocks import WallTime

MAX_QUEUED_SPANS: Final = 4_096
"""Spans that wait to be sent; each takes some 2 KiB, so 8 MiB. If the collector is away, the oldest
are dropped."""

BATCH_SPANS: Final = 512
"""Spans in one request: 200 KiB or so."""

SEND_EVERY_S: Final = 2.0
"""Seconds until spans are sent that are less than a batch: a person waits for them."""

SEND_S: Final = 5.0
"""Seconds for one request with its repetitions, in the thread."""

FLUSH_S: Final = 2.0
"""Seconds that a stop waits for the last spans; then they are lost."""

UNKNOWN_SERVICE: Final = "unknown_service"  # OpenTelemetry's name if no variable sets one


class Traces:
    """Traces the tunnels of one process."""

    def __init__(
        self,
        endpoint: str,
        share: float,
        reactor: ITracingReactor,
        wall_time: WallTime,
        lines: LogLines,
    ) -> None:
        """Start the thread that sends.

        Args:
            endpoint: the URL of the collector.
            share: the share of the tunnels that are traced, from 0 to 1.
            reactor: Twisted's reactor.
            wall_time: returns the current time in seconds since 1970.
            lines: decides whether a line about a failure to send is written.
        """
        self._reactor = reactor
        self._wall_time = wall_time
        self._report = _Reports(reactor, lines)
        logging.getLogger("opentelemetry").addHandler(self._report)
        logging.getLogger("opentelemetry").propagate = False  # not to standard error, past the log
        exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=SEND_S)
        self._provider = TracerProvider(
            TraceIdRatioBased(share), _resource(), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=MAX_QUEUED_SPANS,
                schedule_delay_millis=SEND_EVERY_S * 1000,
                max_export_batch_size=BATCH_SPANS,
            )
        )

    def witness(self, below: Witness) -> Witness:
        """Return a witness that makes spans, and passes each event on to `below`."""
        tracer = self._provider.get_tracer("tessel_proxy", version("tessel-proxy"))
        return TracingWitness(below, tracer, self._reactor, self._wall_time)

    async def stop(self) -> None:
        """Send the spans that wait, for at most FLUSH_S seconds, and end the thread."""
        sent: Deferred[None] = Deferred()
        # A thread of its own, which does not keep the process: the reactor waits for those of its
        # pool, and a collector that does not answer may hold this one for longer.
        Thread(target=self._shut_down, args=(sent,), daemon=True).start()
        try:
            await sent.addTimeout(FLUSH_S, self._reactor)
        except defer.TimeoutError:
            self._report.write("the last spans could not be sent in time")
        logging.getLogger("opentelemetry").removeHandler(self._report)

    def _shut_down(self, sent: Deferred[None]) -> None:
        self._provider.shutdown()
        self._reactor.callFromThread(_fire, sent)


def _fire(sent: Deferred[None]) -> None:
    if not sent.called:
        sent.callback(None)


def _resource() -> Resource:
    """Return what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, or the proxy's own name."""
    found = Resource.create()
    own = {SERVICE_VERSION: version("tessel-proxy")}
    if str(found.attributes[SERVICE_NAME]).startswith(UNKNOWN_SERVICE):
        own[SERVICE_NAME] = "tessel-proxy"
    return found.merge(Resource(own))


class _Reports(logging.Handler):
    """Writes what OpenTelemetry's packages report, from any thread, to the proxy's log."""

    _log = Logger()

    def __init__(self, reactor: ITracingReactor, lines: LogLines) -> None:
        super().__init__(logging.WARNING)
        self._reactor = reactor
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging`: passes the text on to the reactor's thread."""
        self._reactor.callFromThread(self.write, record.getMessage())

    def write(self, why: str) -> None:
        """Write a line, or count it if there was one of its kind a moment ago."""
        error = ErrorCode.TRACES_NOT_SENT.value

        def write() -> None:
            self._log.warn(
                "traces were not sent: {why}", event="traces_not_sent", why=why, error=error
            )

        self._lines.log(LineKind("traces_not_sent", "not sent", "collector", error=error), write)
