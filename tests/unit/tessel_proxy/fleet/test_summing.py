"""The metrics of all workers as one."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from twisted.protocols.amp import MAX_VALUE_LENGTH

from support.scraped_proxy import Scrape
from tessel_proxy.fleet.summing import SummedCollector, packed, snapshot_of, unpacked


def counter(name, **by_kind):
    family = CounterMetricFamily(f"tessel_proxy_{name}", "Meaning.", labels=["kind"])
    for kind, value in by_kind.items():
        family.add_metric([kind], value)
    return family


def gauge(name, value):
    return GaugeMetricFamily(f"tessel_proxy_{name}", "Meaning.", value)


def histogram(sum_s, **cumulative):
    buckets = [(bound, float(n)) for bound, n in cumulative.items()]
    return HistogramMetricFamily("tessel_proxy_lookup_seconds", "Meaning.", buckets, sum_s)


def exported(collector):
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (each.rpartition(" ") for each in lines if each[0] != "#")
    }


def summed(*workers, own=None):
    collector = SummedCollector(CollectorRegistry(), own)
    for number, families in enumerate(workers):
        collector.seen(str(number), unpacked(packed(snapshot_of(families))))
    return collector


def test_counters_and_gauges_are_added_for_each_label():
    one = [counter("opened", net=2, tls=1), gauge("tunnels", 3)]
    other = [counter("opened", net=5), gauge("tunnels", 4)]
    assert exported(summed(one, other)) == {
        'tessel_proxy_opened_total{kind="net"}': 7,
        'tessel_proxy_opened_total{kind="tls"}': 1,
        "tessel_proxy_tunnels": 7,
    }


def test_of_gauges_named_max_and_of_common_limits_the_largest_counts():
    names = ("account_tunnels_max", "account_tunnels_limit", "memory_full", "draining")
    found = exported(summed([gauge(name, 3) for name in names], [gauge(name, 2) for name in names]))
    assert found == {f"tessel_proxy_{name}": 3 for name in names}


def test_of_dates_of_expiry_the_first_counts():
    name = "certificate_not_after_timestamp_seconds"
    assert exported(summed([gauge(name, 50)], [gauge(name, 40)])) == {f"tessel_proxy_{name}": 40}


def test_the_counters_of_a_worker_that_has_ended_are_kept_and_its_gauges_not():
    collector = summed([counter("opened", net=2), gauge("tunnels", 3)], [counter("opened", net=1)])
    collector.ended("0")
    collector.seen("2", snapshot_of([counter("opened", net=10), gauge("tunnels", 1)]))
    collector.ended("2")
    assert exported(collector) == {'tessel_proxy_opened_total{kind="net"}': 13}


def test_a_worker_that_ended_before_it_was_seen_counts_nothing():
    collector = summed([gauge("tunnels", 1)])
    collector.ended("unknown")
    assert exported(collector) == {"tessel_proxy_tunnels": 1}


def test_metrics_of_the_supervisor_replace_those_of_workers():
    class Own:
        def collect(self):
            yield gauge("accounts", 1)

    assert exported(summed([gauge("accounts", 1)], [gauge("accounts", 1)], own=Own())) == {
        "tessel_proxy_accounts": 1
    }


def test_the_metrics_of_a_whole_proxy_fit_into_an_amp_value():
    families = [
        counter(f"number_{n}", **{f"kind_{k}": n * k for k in range(40)}) for n in range(30)
    ]
    assert len(packed(snapshot_of(families))) < 0xFFFF


def lookups(sum_s, count, **buckets):
    name = "tessel_proxy_lookup_seconds"
    told = {f'{name}_bucket{{le="{bound}"}}': n for bound, n in buckets.items()}
    return {**told, f"{name}_count": count, f"{name}_sum": sum_s}


def test_the_buckets_of_histograms_are_added():
    found = exported(
        summed([histogram(1.5, **{"0.5": 1, "+Inf": 2})], [histogram(9.0, **{"0.5": 0, "+Inf": 1})])
    )
    assert found == lookups(10.5, 3, **{"0.5": 1, "+Inf": 3})


def test_the_histograms_of_a_worker_that_has_ended_are_kept():
    one = [histogram(1.5, **{"0.5": 1, "+Inf": 2})]
    collector = summed(one, one)
    collector.ended("0")
    assert exported(collector) == lookups(3.0, 4, **{"0.5": 2, "+Inf": 4})


def test_of_histograms_with_different_bounds_the_common_ones_are_left():
    former, new = (
        [histogram(1.5, **{"0.5": 1, "1.0": 2, "+Inf": 3})],
        [histogram(2.5, **{"0.5": 2, "2.0": 5, "+Inf": 6})],
    )
    assert exported(summed(former, new)) == lookups(4.0, 9, **{"0.5": 3, "+Inf": 9})


def test_the_types_of_summed_metrics_stay():
    registry = CollectorRegistry()
    registry.register(summed([counter("opened", net=1), histogram(1.0, **{"+Inf": 1})]))
    kinds = {each.name: each.type for each in registry.collect()}
    assert kinds == {"tessel_proxy_opened": "counter", "tessel_proxy_lookup_seconds": "histogram"}


def test_a_snapshot_of_all_metrics_fits_into_a_message_between_processes():
    snapshot = snapshot_of(Scrape().registry.collect())
    assert len(packed(snapshot)) < MAX_VALUE_LENGTH / 4
