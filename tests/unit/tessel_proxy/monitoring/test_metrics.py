"""What Prometheus scrapes."""

import shutil
import subprocess

import pytest
from prometheus_client import generate_latest

from support.pause_recorder import RecordedPauses
from support.scraped_proxy import Scrape
from tessel_proxy.records.accounting import SubstreamRecord
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.startup.config import Config


@pytest.fixture
def scrape():
    return Scrape()


def test_limits_stand_beside_what_they_limit(scrape):
    scrape.sources.tunnels.handshaking.add(object())
    assert scrape.value("handshakes") == 1
    assert scrape.value("handshakes_limit") == Config().max_handshakes
    assert scrape.value("tunnels_limit") == Config().max_tunnels
    assert scrape.value("memory_limit_bytes") == Config().memory_max_mib * 1024 * 1024


def test_the_end_of_revocation_lists_is_reported_if_there_are_any(scrape):
    name = "revocations_not_after_timestamp_seconds"
    assert scrape.value(name) == 0
    scrape.revocations_end = 1_900_000_000.0
    assert scrape.value(name) == 1_900_000_000.0


def test_handshakes_that_resumed_are_counted_apart(scrape):
    for resumed in (False, True, True):
        scrape.tunnel().secured(0.25, resumed=resumed)
    assert scrape.value("handshakes_done_total", kind="full") == 1
    assert scrape.value("handshakes_done_total", kind="resumed") == 2


def test_limits_are_those_that_few_descriptors_leave_and_not_those_that_are_set():
    scrape = Scrape(descriptors=1024, max_tunnels=4096)
    shares = scrape.limits.shares
    assert scrape.value("tunnels_limit") == shares.tunnels < 4096
    assert scrape.value("substreams_limit") == shares.substreams


def test_substreams_count_against_their_limit_until_their_targets_are_closed(scrape):
    tally = scrape.limits.open_tunnel("kim")
    tally.open_substream()
    assert scrape.value("substreams") == 0
    assert scrape.value("substreams_counted") == 1


def test_of_accounts_the_greatest_value_stands_beside_the_limit_and_no_name():
    scrape = Scrape(
        max_tunnels_per_account=3, max_substreams_per_account=5, opens_per_s=7, bytes_per_day=11
    )
    limits = {
        "account_tunnels_limit": 3,
        "account_substreams_limit": 5,
        "account_opens_per_second_limit": 7,
        "bytes_per_day_limit": 11,
    }
    assert {name: scrape.value(name) for name in limits} == limits
    values = ("accounts", "account_tunnels_max", "account_substreams_max", "accounts_quota_spent")
    assert [scrape.value(name) for name in values] == [0, 0, 0, 0]
    before = len(scrape.samples)
    kim, _again = scrape.limits.open_tunnel("kim"), scrape.limits.open_tunnel("kim")
    lee = scrape.limits.open_tunnel("lee")
    for _ in range(3):
        lee.open_substream()
    kim.quota.move(11)
    assert [scrape.value(name) for name in values] == [2, 2, 3, 1]
    assert len(scrape.samples) == before
    lee.tunnels = 0  # it is remembered for the sake of its substreams
    assert scrape.value("accounts") == 2
    for _ in range(3):
        lee.close_substream(None)
    assert scrape.value("accounts") == 1


def test_full_memory_is_reported_and_is_not_ready(scrape):
    assert (scrape.value("memory_full"), scrape.value("ready")) == (0, 1)
    scrape.readiness.is_full = lambda: True
    assert (scrape.value("memory_full"), scrape.value("ready")) == (1, 0)


def test_who_waits_for_the_rate_is_counted_beside_the_limits():
    scrape = Scrape(bytes_per_s=1, bytes_per_day=2)
    assert scrape.value("bytes_per_second_limit") == 1
    assert scrape.value("bytes_per_day_limit") == 2
    assert scrape.value("substreams_waiting_for_rate") == 0
    tally = scrape.limits.open_tunnel("ann")
    tally.to_devices.moved(10**6, RecordedPauses())
    assert scrape.value("substreams_waiting_for_rate") == 1


def test_tunnels_are_counted_as_they_come_and_go(scrape):
    record = scrape.tunnel()
    assert scrape.value("tunnels_accepted_total") == 1
    assert scrape.value("tunnels_closed_total") == 0
    record.log_closed(5, TunnelOutcome.HANDSHAKE_FAILED, "")
    assert scrape.value("tunnels_closed_total", outcome="handshake_failed") == 1
    assert not scrape.ledger.tunnels


def test_open_tunnels_are_reported_by_whether_they_have_a_token(scrape):
    tunnels = scrape.sources.tunnels
    tunnels.all |= {1, 2, 3}
    tunnels.unauthenticated.add(3)
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


def test_bytes_are_reported_while_they_flow_and_stay_reported(scrape):
    record = SubstreamRecord(of=scrape.tunnel(), substream=2, kind="net", started_at=0)
    record.bytes_from_device, record.bytes_from_target = 5, 7

    def told():
        return [
            scrape.value("relayed_bytes_total", direction=way)
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


def test_the_certificates_end_is_reported_if_it_is_known(scrape):
    name = "certificate_not_after_timestamp_seconds"
    assert scrape.value(name) == 1_900_000_000
    scrape.ends = None
    assert not [each for each in scrape.samples if each.name.endswith(name)]


def test_lines_that_the_log_lost_are_counted(scrape):
    scrape.log_dropped = 7
    assert scrape.value("log_lines_dropped_total") == 7


def test_the_build_and_the_process_are_reported(scrape):
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


def test_a_completed_handshake_and_an_ended_substream_show_how_long_they_took(scrape):
    tunnel = scrape.tunnel()
    tunnel.secured(0.25, resumed=False)
    SubstreamRecord(of=tunnel, substream=2, kind="net", started_at=1.0).close(4.0, Outcome.ENDED)
    assert scrape.value("handshake_seconds_sum") == 0.25
    assert scrape.value("handshake_seconds_bucket", le="0.1") == 0
    assert scrape.value("handshake_seconds_bucket", le="0.25") == 1
    assert scrape.value("substream_seconds_sum") == 3.0
    assert scrape.value("substream_seconds_count") == 1


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)
def test_promtool_has_no_complaint_about_the_names(scrape):
    text = generate_latest(scrape.registry)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.stdout + done.stderr).decode() == ""
    assert done.returncode == 0
