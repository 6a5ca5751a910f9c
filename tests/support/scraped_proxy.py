"""The metrics of a proxy, as Prometheus scrapes them, without the proxy."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.proxy_in_memory import Stage
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.descriptors import PLENTY
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.metrics import Sources, registry_of
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.startup.config import Config
from tessel_proxy.targets.lookup import Lookups
from tessel_proxy.tunnel.shared_state import TunnelRegistry


class Scrape:
    """One proxy's numbers, without a proxy."""

    def __init__(self, descriptors=PLENTY, **config):
        self.stage = Stage()
        self.limits = AccountLimits(Config(**config), self.stage.clock, descriptors)
        self.ledger = Ledger()
        self.ends = 1_900_000_000.0
        self.revocations_end = None
        self.readiness = Readiness(self.stage.clock, lambda: True)
        self.log_dropped = 0
        self.sources = Sources(
            log_dropped=lambda: self.log_dropped,
            config=Config(**config),
            ledger=self.ledger,
            tunnels=TunnelRegistry(),
            limits=self.limits,
            lookups=Lookups(self.stage.resolver),
            readiness=self.readiness,
            certificate_ends=lambda: self.ends,
            revocations_end=lambda: self.revocations_end,
        )
        self.registry = registry_of(self.sources)

    @property
    def samples(self):
        text = generate_latest(self.registry).decode()
        return [each for family in text_string_to_metric_families(text) for each in family.samples]

    def value(self, name, **labels):
        """The sum over the labels that are not named."""
        found = [
            each.value
            for each in self.samples
            if each.name == f"tessel_proxy_{name}" and labels.items() <= each.labels.items()
        ]
        assert found, name
        return sum(found)

    def tunnel(self, number=1):
        return TunnelRecord(tunnel=number, peer="192.0.2.9:1", started_at=0, witness=self.ledger)
