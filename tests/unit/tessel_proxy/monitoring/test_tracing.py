"""Traces: whether there are any, and which spans the events of records make."""

import logging
import subprocess
import sys

import pytest
import pytest_twisted
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.tracing import choice, require_packages, traces_of
from tessel_proxy.monitoring.tracing.settings import TracingSettings, collector_url, share
from tessel_proxy.monitoring.tracing.spans import TracingWitness
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.repeated_lines import EVERY_LINE
from tessel_proxy.records.traces import Step
from tessel_service_kit.settings import ConfigError

NOW = 1_900_000_000.0
SOMEWHERE = "http://127.0.0.1:9"  # nothing listens on the discard port


@pytest.mark.parametrize("text", ["127.0.0.1:4318", "ftp://a", "http://", "http://me:pw@host"])
def test_the_collector_is_named_by_a_url_without_a_password(text):
    with pytest.raises(ValueError, match="http://HOST:PORT"):
        collector_url(text)


def test_a_slash_at_the_end_of_the_url_is_no_part_of_it():
    assert collector_url("https://collector:4318/otlp/") == "https://collector:4318/otlp"


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("1", 1), ("0.25", 0.25), (".5", 0.5)])
def test_a_share_is_a_number_from_0_to_1(text, value):
    assert share(text) == value


@pytest.mark.parametrize("text", ["1.5", "-1", "1e-3", "nan", "half", ""])
def test_other_texts_are_no_share(text):
    with pytest.raises(ValueError, match="from 0 to 1"):
        share(text)


def test_without_the_setting_nothing_is_traced_and_nothing_imported():
    assert traces_of(TracingSettings(), Clock(), lambda: NOW, EVERY_LINE) is None
    program = (
        "import sys, tessel_proxy.__main__, tessel_proxy.startup.run\n"
        "sys.exit(any(each.startswith('opentelemetry') for each in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_setting_without_the_packages_is_a_fault(monkeypatch):
    require_packages(TracingSettings())
    monkeypatch.setattr(choice, "PACKAGES", ("opentelemetry.sdk", "no_such.package"))
    with pytest.raises(ConfigError, match=r"pip install 'tessel-proxy\[otel\]'"):
        require_packages(TracingSettings(otel_exporter_otlp_endpoint=SOMEWHERE))


def traced_by(share=1.0):
    """A witness that makes spans, the list of those that have ended, and its ledger and clock."""
    kept, ledger, clock = InMemorySpanExporter(), Ledger(), Clock()
    provider = TracerProvider(TraceIdRatioBased(share), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    witness = TracingWitness(ledger, tracer, clock, lambda: NOW + clock.seconds())
    return witness, kept.get_finished_spans, ledger, clock


def tunnel_of(witness, clock):
    return TunnelRecord(
        tunnel=1, peer="192.0.2.9:1", started_at=clock.seconds(), witness=witness, account="kim"
    )


def test_spans_have_the_time_of_day_of_what_they_are_about():
    witness, spans, _, clock = traced_by()
    tunnel = tunnel_of(witness, clock)
    clock.advance(2)
    substream = SubstreamRecord(of=tunnel, substream=2, kind="net", started_at=clock.seconds())
    substream.trace.step(Step.LOOKUP, 2.0, 2.5)
    clock.advance(3)
    substream.close(clock.seconds(), Outcome.TLS_FAILED)
    tunnel.log_closed(clock.seconds(), TunnelOutcome.ENDED, "it ended")
    times = {each.name: (each.start_time / 1e9, each.end_time / 1e9) for each in spans()}
    assert times == {
        "lookup": (NOW + 2, NOW + 2.5),
        "substream": (NOW + 2, NOW + 5),
        "tunnel": (NOW, NOW + 5),
    }
    assert [each.status.description for each in spans()] == [None, "tls_failed", None]


def test_every_event_still_counts():
    witness, _, ledger, clock = traced_by()
    tunnel = tunnel_of(witness, clock)
    tunnel.secured(1.0, resumed=True)
    tunnel.log_refused(Refusal.WRONG_TOKEN)
    witness.tcp_checked()
    SubstreamRecord(of=tunnel, substream=2, kind="net", started_at=1.0).close(2.0, Outcome.ENDED)
    tunnel.log_closed(3.0, TunnelOutcome.ENDED, "it ended")
    assert ledger.handshakes_done[True] == ledger.refusals[Refusal.WRONG_TOKEN] == 1
    assert ledger.tcp_checks == ledger.substreams_closed["net", Outcome.ENDED] == 1
    assert ledger.tunnels_closed[TunnelOutcome.ENDED] == 1
    assert ledger.tunnels == ledger.substreams == set()


def test_a_tunnel_that_is_not_sampled_has_no_trace_and_neither_have_its_substreams():
    witness, spans, _, clock = traced_by(share=0.0)
    tunnel = tunnel_of(witness, clock)
    tunnel.secured(1.0, resumed=False)
    substream = SubstreamRecord(of=tunnel, substream=2, kind="net", started_at=1.0)
    substream.close(2.0, Outcome.ENDED)
    tunnel.log_closed(3.0, TunnelOutcome.ENDED, "it ended")
    assert (tunnel.trace, substream.trace, spans()) == (None, None, ())


def test_the_check_of_a_load_balancer_is_no_span():
    witness, spans, _, clock = traced_by()
    tunnel_of(witness, clock).log_closed(0.0, TunnelOutcome.NOTHING_SENT, "it closed")
    assert spans() == ()


@pytest_twisted.inlineCallbacks
def test_what_the_packages_report_is_a_log_line_and_the_thread_ends():
    settings = TracingSettings(otel_exporter_otlp_endpoint=SOMEWHERE)
    traces = traces_of(settings, reactor, lambda: NOW, EVERY_LINE)
    with LoggedEvents() as logged:
        logging.getLogger("opentelemetry.sdk").warning("the queue of %s is full", "spans")
        yield Deferred.fromCoroutine(traces.stop())
    (line,) = logged.named("traces_not_sent")
    assert (line["why"], line["error"]) == ("the queue of spans is full", "TP3043")
