"""All metrics that a proxy can export: its own, the supervisor's, and those of a fleet's engine."""

from types import SimpleNamespace

from twisted.internet.task import Clock

from support.scraped_proxy import Scrape
from tessel_proxy.fleet.host_metrics import HostCollector
from tessel_proxy.fleet.own_metrics import OwnCollector, WorkerLimits
from tessel_proxy.fleet.silence import SilenceWatch
from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.fleet.valkey.metrics import EngineCollector


def exported_samples():
    """Return the samples of a proxy on which nothing has happened."""
    families = [
        *Scrape().registry.collect(),
        *own().collect(),
        *of_engine().collect(),
        *of_host().collect(),
    ]
    return [sample for each in families for sample in each.samples]


def own():
    supervisor = SimpleNamespace(
        living=[],
        replacements=SimpleNamespace(total=0, loops=0),
        silent_workers=0,
        silence=SilenceWatch(),
        obstacles=[],
        stopping=False,
    )
    return OwnCollector(
        supervisor, SimpleNamespace(accounts=list), WorkerLimits(2, 1000), lambda: 0
    )


def of_engine():
    return EngineCollector(EngineHealth(Clock(), "127.0.0.1:6379"))


def of_host():
    refusals = SimpleNamespace(rules=list, file_failures=0)
    return HostCollector(SimpleNamespace(refusals=refusals, usage=None))
