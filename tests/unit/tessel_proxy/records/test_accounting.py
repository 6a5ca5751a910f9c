"""The contents of log lines."""

import json
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.logger import LogPublisher

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.records import log_lines
from tessel_proxy.records.accounting import NoWitness, SubstreamRecord, TunnelRecord, log_refused
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.peers import peer_name
from tessel_service_kit.logs import (
    FrequentLogger,
    LogFormat,
    LogLevel,
    json_record,
    observer,
    text_record,
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (IPv4Address("TCP", "192.0.2.1", 80), "192.0.2.1:80"),
        (IPv6Address("TCP", "2001:db8::1", 80), "[2001:db8::1]:80"),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 80), "192.0.2.1:80"),
        (UNIXAddress("/tmp/x"), "UNIXAddress('/tmp/x')"),
    ],
)
def test_a_peer_is_named_by_address_and_port(address, name):
    assert peer_name(address) == name


def test_why_a_tunnel_ended_is_told_to_people_and_to_programs():
    with LoggedEvents() as logged:
        record = TunnelRecord(tunnel=7, peer="192.0.2.9:4711", started_at=1.0)
        record.log_closed(2.0, TunnelOutcome.PROTOCOL_FAULT, "message for channel 4")
    (event,) = logged.named("tunnel_closed")
    assert json.loads(json_record(event))["why"] == "message for channel 4"
    assert text_record(event).endswith(": message for channel 4\n")


def closed(**tunnel):
    with LoggedEvents() as logged:
        record = TunnelRecord(tunnel=7, peer="192.0.2.9:4711", started_at=1.0, **tunnel)
        record.log_closed(2.0, TunnelOutcome.ENDED, "the device closed the connection")
    return logged.named("tunnel_closed")[0]


def test_a_tunnel_without_account_and_device_is_told_in_words():
    event = closed()
    assert text_record(event).endswith(
        "tunnel 7 of 192.0.2.9:4711 closed: ended; no account, no device name, 0 substreams, "
        "0 bytes from the device, 0 from targets, 1.0 s: the device closed the connection\n"
    )
    told = json.loads(json_record(event))
    assert (told["account"], told["device"]) == (None, None)
    assert not [key for key in told if key.startswith("log_")]


def test_one_of_a_kind_is_told_as_one():
    event = closed(account="kim", device="kitchen", substreams=1, bytes_from_device=1)
    assert "account kim, device kitchen, 1 substream, 1 byte from the device, " in (
        text_record(event)
    )


@pytest.mark.parametrize(
    ("target", "address", "where"),
    [
        ("", "", "to no target closed"),
        ("example.com:80", "", "to example.com:80 closed"),
        ("192.0.2.1:80", "192.0.2.1:80", "to 192.0.2.1:80 closed"),
        ("example.com:80", "192.0.2.1:80", "to example.com:80 (192.0.2.1:80) closed"),
    ],
)
def test_where_a_substream_led_is_told_in_words(target, address, where):
    tunnel = TunnelRecord(tunnel=7, peer="192.0.2.9:4711", started_at=1.0)
    with LoggedEvents() as logged:
        record = SubstreamRecord(of=tunnel, substream=2, kind="net", started_at=1.0)
        record.target, record.address = target, address
        record.close(2.0, Outcome.ENDED)
    (event,) = logged.named("substream_closed")
    assert where in text_record(event)
    assert "no account, no device name, net, 0 bytes from the device" in text_record(event)


def test_a_connection_that_never_was_a_tunnel_is_refused_without_a_number():
    with LoggedEvents() as logged:
        log_refused("192.0.2.9:4711", Refusal.TOO_MANY_HANDSHAKES, NoWitness())
    (event,) = logged.named("tunnel_refused")
    assert "connection of 192.0.2.9:4711 refused: too many TLS handshakes" in text_record(event)


def test_which_rule_refused_a_target_is_told_to_people_and_to_programs():
    with LoggedEvents() as logged:
        tunnel = TunnelRecord(tunnel=7, peer="192.0.2.9:4711", started_at=1.0)
        made = {"of": tunnel, "kind": "net", "started_at": 1.0, "target": "10.0.0.1:80"}
        SubstreamRecord(substream=2, rule="private", **made).close(2.0, Outcome.REFUSED_BY_POLICY)
        SubstreamRecord(substream=4, **made).close(2.0, Outcome.ENDED)
    refused, ended = logged.named("substream_closed")
    assert " substream_closed TP1005 substream 2 of " in text_record(refused)
    assert text_record(refused).endswith("; refused by the rule private\n")
    assert json.loads(json_record(refused))["rule"] == "private"
    assert text_record(ended).endswith(" s\n")


TEXTS = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(["kim", "192.0.2.1:80"])


class FixedTrace:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"


def closing_line(monkeypatch, record, outcome, form, *beside):
    stream = StringIO()
    publisher = LogPublisher(observer(stream, LogLevel.INFO, form), *beside)
    logger = FrequentLogger("tessel_proxy", observer=publisher)
    with monkeypatch.context() as patched:
        patched.setattr(log_lines, "_frequent_log", logger)
        log_lines.substream_closed(record, outcome)
    line = stream.getvalue()
    return line[line.index("info") :]


@given(
    names=st.tuples(*[st.none() | TEXTS] * 2, *[TEXTS] * 3),
    numbers=st.tuples(*[st.integers(0, 2**40)] * 4),
    seconds=st.floats(0, 1e7),
    outcome=st.sampled_from(Outcome),
    shown=st.tuples(st.sampled_from([None, FixedTrace()]), st.sampled_from(LogFormat)),
)
def test_a_closing_line_is_what_its_event_would_become(names, numbers, seconds, outcome, shown):
    tunnel = TunnelRecord(tunnel=numbers[0], peer="192.0.2.9:4711", started_at=1.0)
    tunnel.account, tunnel.device = names[:2]
    record = SubstreamRecord(of=tunnel, substream=numbers[1], kind="net", started_at=1.0)
    record.target, record.address, record.rule = names[2:]
    record.bytes_from_device, record.bytes_from_target = numbers[2:]
    record.lasted_s, (record.trace, form) = seconds, shown
    events = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        straight = closing_line(monkeypatch, record, outcome, form)
        from_event = closing_line(monkeypatch, record, outcome, form, events.append)
    assert straight == from_event
    assert events[0]["seconds"] == round(seconds, 3)
    assert len(straight.splitlines()) == 1
