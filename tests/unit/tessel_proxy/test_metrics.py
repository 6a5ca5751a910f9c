"""What Prometheus scrapes."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tessel_proxy.config import Config
from tessel_proxy.house import Census
from tessel_proxy.ledger import Ledger
from tessel_proxy.lookup import Lookups
from tessel_proxy.metrics import Sources, registry_of
from tessel_proxy.readiness import Readiness
from tessel_proxy.record import Outcome, Refusal, SubstreamRecord, TunnelOutcome, TunnelRecord
from unit.tessel_proxy.stage import Stage


class Scrape:
    """One proxy's numbers, without a proxy."""

    def __init__(self, **config):
        self.stage = Stage()
        self.ledger = Ledger()
        self.ends = 1_900_000_000.0
        self.readiness = Readiness(self.stage.clock, lambda: True)
        self.sources = Sources(
            config=Config(**config),
            ledger=self.ledger,
            census=Census(),
            limits=self.stage.limits,
            lookups=Lookups(self.stage.resolver),
            readiness=self.readiness,
            certificate_ends=lambda: self.ends,
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


@pytest.fixture
def scrape():
    return Scrape()


def test_limits_stand_beside_what_they_limit(scrape):
    scrape.sources.census.handshaking.add(object())
    assert scrape.value("handshakes") == 1
    assert scrape.value("handshakes_limit") == Config().max_handshakes
    assert scrape.value("tunnels_limit") == Config().max_tunnels
    assert scrape.value("memory_limit_octets") == Config().memory_max_mib * 1024 * 1024


def test_tunnels_are_counted_as_they_come_and_go(scrape):
    record = scrape.tunnel()
    assert scrape.value("tunnels_accepted_total") == 1
    assert scrape.value("tunnels_closed_total") == 0
    record.log_closed(5, TunnelOutcome.HANDSHAKE_FAILED, "")
    assert scrape.value("tunnels_closed_total", outcome="handshake_failed") == 1
    assert not scrape.ledger.tunnels


def test_open_tunnels_are_told_by_whether_they_have_a_token(scrape):
    census = scrape.sources.census
    census.all |= {1, 2, 3}
    census.unauthenticated.add(3)
    assert scrape.value("tunnels", state="authenticated") == 2
    assert scrape.value("tunnels", state="unauthenticated") == 1
    assert scrape.value("tunnels_unauthenticated_limit") == 256


def test_substreams_are_counted_by_kind_and_outcome(scrape):
    record = SubstreamRecord(of=scrape.tunnel(), substream=2, kind="tls", started_at=0)
    assert scrape.value("substreams", kind="tls") == 1
    assert scrape.value("substreams", kind="net") == 0
    record.close(1, Outcome.REFUSED_BY_POLICY)
    assert scrape.value("substreams") == 0
    assert scrape.value("substreams_opened_total", kind="tls") == 1
    closed = scrape.value("substreams_closed_total", kind="tls", outcome="refused_by_policy")
    assert closed == scrape.value("substreams_closed_total") == 1


def test_octets_are_told_while_they_flow_and_stay_told(scrape):
    record = SubstreamRecord(of=scrape.tunnel(), substream=2, kind="net", started_at=0)
    record.octets_from_device, record.octets_from_target = 5, 7

    def told():
        return [
            scrape.value("relayed_octets_total", direction=way)
            for way in ("device_to_target", "target_to_device")
        ]

    assert told() == [5, 7]
    record.close(1, Outcome.ENDED)
    assert told() == [5, 7]


def test_refusals_and_checks_are_counted_by_reason(scrape):
    scrape.tunnel().log_refused(Refusal.WRONG_TOKEN)
    scrape.ledger.auth_answers["misconfigured"] += 1
    assert scrape.value("refusals_total", reason="wrong_token") == 1
    assert scrape.value("refusals_total") == 1
    assert scrape.value("auth_checks_total", result="misconfigured") == 1


def test_a_proxy_that_is_going_says_so(scrape):
    assert (scrape.value("ready"), scrape.value("draining")) == (1, 0)
    scrape.readiness.draining = True
    assert (scrape.value("ready"), scrape.value("draining")) == (0, 1)


def test_the_certificates_end_is_told_if_it_is_known(scrape):
    name = "certificate_not_after_timestamp_seconds"
    assert scrape.value(name) == 1_900_000_000
    scrape.ends = None
    assert not [each for each in scrape.samples if each.name.endswith(name)]


def test_the_build_and_the_process_are_told(scrape):
    assert scrape.value("build_info") == 1
    assert {"process_open_fds", "python_info"} <= {each.name for each in scrape.samples}


def test_no_label_is_other_peoples_text(scrape):
    before = len(scrape.samples)
    for number in range(20):
        tunnel = scrape.tunnel(number)
        tunnel.account, tunnel.device = f"account {number}", f"device {number}"
        record = SubstreamRecord(
            of=tunnel, substream=2, kind="net", started_at=0, target=f"h{number}:80"
        )
        record.close(1, Outcome.ENDED)
        tunnel.log_closed(1, TunnelOutcome.ENDED, "why")
    assert len(scrape.samples) == before


def test_two_proxies_of_one_process_count_for_themselves(scrape):
    Scrape().tunnel()
    assert scrape.value("tunnels_accepted_total") == 0
