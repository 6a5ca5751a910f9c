"""Traces of a real proxy, decoded by a collector, or held by one that does not answer."""

import time

import pytest

from lab.waiting import eventually
from support.hardening.collector import Collector
from support.hardening.device import connecting, data, end
from support.hardening.proxy import TOKEN
from support.hardening.workers import wait_for_workers

ECHOED = b"some bytes"
SECONDS = 20.0


@pytest.fixture
def collector():
    found = Collector()
    yield found
    found.close()


def echo(device, site, channel, host="127.0.0.1"):
    device.send(connecting(channel, site["echo"], host), data(channel, ECHOED))
    assert device.read_bytes(channel, len(ECHOED)) == ECHOED
    device.send(end(channel))
    device.events(channel)


def use(proxy, device_of, site):
    with device_of(proxy, TOKEN) as device:
        echo(device, site, 2, "localhost")
        device.send(connecting(4, 9, "192.0.2.1.invalid"))  # a name that does not exist
        device.events(4)


@pytest.mark.parametrize("settings", [{}, {"WORKERS": 2, "ADMIN_PORT": 0}], ids=["one", "workers"])
def test_a_tunnel_is_one_trace_with_its_substreams_and_their_steps(
    settings, collector, proxy_with, device_of, site
):
    proxy = proxy_with(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **settings)
    wait_for_workers(proxy, settings.get("WORKERS", 0))
    use(proxy, device_of, site)
    (tunnel,) = eventually(lambda: collector.named("tunnel"), SECONDS)
    good, bad = sorted(collector.named("substream"), key=lambda each: each.failed)
    assert {each.trace_id for each in collector.spans} == {tunnel.trace_id}
    assert tunnel.parent == ""
    assert good.parent == bad.parent == tunnel.span_id
    steps = {each.name: each for each in collector.spans if each.parent == good.span_id}
    assert set(steps) == {"lookup", "dial"}
    assert good.began_ns <= steps["lookup"].began_ns <= steps["lookup"].ended_ns
    assert steps["lookup"].ended_ns == steps["dial"].began_ns <= good.ended_ns <= tunnel.ended_ns
    assert abs(tunnel.ended_ns / 1e9 - time.time()) < SECONDS
    assert [each.parent for each in collector.named("handshake")] == [tunnel.span_id]
    assert collector.services == {"tessel-proxy"}


def test_spans_name_account_target_and_error_and_log_lines_the_trace(
    collector, proxy_with, device_of, site
):
    proxy = proxy_with(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    use(proxy, device_of, site)
    (tunnel,) = eventually(lambda: collector.named("tunnel"), SECONDS)
    good, bad = sorted(collector.named("substream"), key=lambda each: each.failed)
    assert good.attributes["server.address"] == f"localhost:{site['echo']}"
    assert good.attributes["tessel.bytes_from_device"] == len(ECHOED)
    assert tunnel.attributes["tessel.account"] == "hardcoded"
    assert (bad.failed, bad.attributes["tessel.error"]) == (True, "TP1004")
    lines = [*proxy.log.events("substream_closed"), *proxy.log.events("tunnel_closed")]
    assert [line["trace_id"] for line in lines] == [tunnel.trace_id] * 3


def test_only_the_share_that_is_asked_for_is_traced(collector, proxy_with, device_of, site):
    proxy = proxy_with(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="0", DRAIN_S=1
    )
    use(proxy, device_of, site)
    (line,) = eventually(lambda: proxy.log.events("tunnel_closed"), SECONDS)
    proxy.terminate()
    proxy.process.wait(SECONDS)  # which sends what waits
    assert "trace_id" not in line
    assert collector.spans == []


def test_a_collector_that_does_not_answer_delays_nobody_and_is_reported(
    collector, proxy_with, device_of, site
):
    collector.answering.clear()
    proxy = proxy_with(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    with device_of(proxy, TOKEN) as device:
        for number in range(1, 200):
            began = time.monotonic()
            echo(device, site, 2 * number)
            assert time.monotonic() - began < 2
    (line, *_) = eventually(lambda: proxy.log.events("traces_not_sent"), SECONDS)
    assert line["error"] == "TP3043"
    proxy.terminate()
    assert proxy.process.wait(15) == 0


def test_the_last_spans_are_sent_at_the_end(collector, proxy_with, device_of, site):
    proxy = proxy_with(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, DRAIN_S=1)
    device = device_of(proxy, TOKEN)
    echo(device, site, 2)
    proxy.terminate()
    assert proxy.process.wait(SECONDS) == 0
    assert len(collector.named("tunnel")) == 1
