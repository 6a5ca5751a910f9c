"""Families of metrics, as Prometheus' client wants them. All names get the same prefix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from tessel_proxy.records.durations import Histogram

PREFIX: Final = "tessel_proxy_"


def gauge(name: str, meaning: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(PREFIX + name, meaning, float(value))


def labelled_gauge(
    name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]
) -> Metric:
    """Return a gauge with one value for each value of a label."""
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=[label])
    for label_value, value in values:
        family.add_metric([label_value], float(value))
    return family


def labelled_counter(
    name: str, meaning: str, labels: list[str], values: Iterable[tuple[list[str], float]]
) -> Metric:
    """Return a counter with one value for each combination of label values."""
    family = CounterMetricFamily(PREFIX + name, meaning, labels=labels)
    for words, value in values:
        family.add_metric(words, float(value))
    return family


def duration_histogram(name: str, meaning: str, histogram: Histogram) -> Metric:
    """Return a histogram of durations in seconds."""
    buckets = [
        (str(floatToGoString(bound_s)), float(n))  # type: ignore[no-untyped-call] # the client's
        for bound_s, n in histogram.cumulative()
    ]
    return HistogramMetricFamily(PREFIX + name, meaning, buckets, histogram.sum_s)
