"""What accounts have used, added up from the records of tunnels and substreams."""

import random

import pytest

from support.proxy_in_memory import TOKEN, Stage
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.operations import Refusing, Rule, Usage, UsageMeter
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome, TunnelOutcome


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def meter(ledger):
    meter = UsageMeter(ledger)
    ledger.closed = meter.closed
    return meter


def tunnel(ledger, account="kim"):
    record = TunnelRecord(tunnel=1, peer="192.0.2.1:1", started_at=0.0, witness=ledger)
    record.account = account
    record.accepted = account is not None
    return record


def substream(record, from_device=0, from_target=0):
    found = SubstreamRecord(of=record, substream=2, kind="net", started_at=0.0)
    found.bytes_from_device, found.bytes_from_target = from_device, from_target
    return found


def test_bytes_count_while_their_substream_is_open_and_once(ledger, meter):
    moving = substream(tunnel(ledger), 10, 100)
    assert meter.take() == {"kim": Usage(10, 100, opens=1, tunnels=1)}
    moving.bytes_from_device += 5
    assert meter.take() == {"kim": Usage(5)}
    moving.bytes_from_target += 7
    moving.close(1.0, Outcome.ENDED)
    assert meter.take() == {"kim": Usage(0, 7)}
    assert meter.take() == {}


def test_a_tunnel_that_came_and_went_between_two_looks_counts(ledger, meter):
    record = tunnel(ledger)
    substream(record, 1, 2).close(1.0, Outcome.ENDED)
    record.log_closed(1.0, TunnelOutcome.ENDED, "")
    assert meter.take() == {"kim": Usage(1, 2, 1, 1)}
    assert meter.take() == {}
    assert not meter._counted


def test_a_substream_that_outlives_its_tunnel_counts_to_its_end(ledger, meter):
    record = tunnel(ledger)
    moving = substream(record, 1)
    record.log_closed(1.0, TunnelOutcome.LOST, "")
    assert meter.take() == {"kim": Usage(1, 0, 1, 1)}
    moving.bytes_from_device += 1
    moving.close(1.0, Outcome.TUNNEL_LOST)
    assert meter.take() == {"kim": Usage(1)}
    assert not meter._counted


def test_tunnels_of_one_account_are_added_and_accounts_are_kept_apart(ledger, meter):
    for account in ("kim", "kim", "alex"):
        substream(tunnel(ledger, account), 1)
    assert meter.take() == {"kim": Usage(2, 0, 2, 2), "alex": Usage(1, 0, 1, 1)}


def test_a_tunnel_without_a_token_belongs_to_nobody(ledger, meter):
    record = tunnel(ledger, None)
    assert meter.take() == {}
    record.log_closed(1.0, TunnelOutcome.AUTH_TIMEOUT, "")
    assert meter.take() == {}


def test_random_lives_of_tunnels_add_up_to_their_records(ledger, meter):

    draw = random.Random(15)
    sums, open_ones, tunnels = Usage(), [], []
    records = []
    for _ in range(2000):
        match draw.randrange(6):
            case 0:
                tunnels.append(tunnel(ledger))
                records.append(tunnels[-1])
            case 1 if tunnels:
                open_ones.append(substream(draw.choice(tunnels)))
            case 2 if open_ones:
                open_ones.pop(draw.randrange(len(open_ones))).close(1.0, Outcome.ENDED)
            case 3 if tunnels:
                tunnels.pop(draw.randrange(len(tunnels))).log_closed(1.0, TunnelOutcome.LOST, "")
            case 4:
                sums += meter.take().get("kim", Usage())
            case _:
                for each in open_ones:
                    each.bytes_from_device += draw.randrange(100)
    for each in open_ones:
        each.close(1.0, Outcome.ENDED)
    sums += meter.take().get("kim", Usage())
    assert sums.bytes_from_device == sum(each.bytes_from_device for each in records)
    assert (sums.opens, sums.tunnels) == (sum(each.substreams for each in records), len(records))


# --- on a real tunnel


@pytest.fixture
def stage(ledger, meter):
    stage = Stage(max_substreams=1)
    object.__setattr__(stage.shared, "witness", ledger)
    stage.record.witness = ledger
    ledger.tunnel_opened(stage.record)
    return stage


def test_a_relayed_request_is_counted_with_its_bytes_and_a_refused_one(stage, meter):
    stage.authenticate()
    protocol, target = stage.relay()
    protocol.transport.write(b"hello")
    stage.pump()
    target.send(b"hello, world")
    stage.pump()
    stage.open()  # one too many
    assert meter.take() == {"hardcoded": Usage(5, 12, opens=2, tunnels=1, refusals=1)}


def test_a_tunnel_that_is_refused_to_an_account_counts_as_a_refusal_only(stage, meter):
    refusing = Refusing(stage.shared.tunnels, lambda: 0.0)
    object.__setattr__(stage.shared, "refusals", refusing)
    refusing.add(Rule.made(account="hardcoded", reason="abuse", by="token", now=0.0))
    stage.say({"token": TOKEN})
    assert meter.take() == {"hardcoded": Usage(refusals=1)}
