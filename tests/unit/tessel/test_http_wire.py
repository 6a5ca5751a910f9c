"""HTTP's octets into events: the same however they are cut, and the fault behind what was whole."""

from contextlib import suppress
from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessel.node.http_wire import HttpWire, HttpWireError

BODY = bytes(range(256))
CHUNKED = (
    b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"80\r\n" + BODY[:128] + b"\r\n80;x=y\r\n" + BODY[128:] + b"\r\n0\r\nSum: 1\r\n\r\n"
)
MEASURED = b"HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n" + BODY


def client(max_header_octets=1000, max_body_octets=None):
    """A client that has asked."""
    wire = HttpWire(h11.CLIENT, max_header_octets, max_body_octets)
    wire.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    wire.send(h11.EndOfMessage())
    return wire


def cut(octets, places):
    edges = [0, *sorted(places), len(octets)]
    return [octets[a:b] for a, b in pairwise(edges) if a != b]


@given(st.sampled_from([CHUNKED, MEASURED]), st.data())
def test_a_response_is_the_same_however_it_is_cut(octets, data):
    places = data.draw(st.sets(st.integers(0, len(octets)), max_size=12))
    wire = client()
    events = [event for piece in cut(octets, places) for event in wire.receive(piece)]
    assert b"".join(event.data for event in events if isinstance(event, h11.Data)) == BODY
    assert isinstance(events[-1], h11.EndOfMessage)
    assert wire.reusable


@given(st.sampled_from([CHUNKED, MEASURED]), st.data())
def test_a_response_that_is_cut_short_never_looks_whole(octets, data):
    length = data.draw(st.integers(0, len(octets) - 1))
    wire = client()
    events = list(wire.receive(octets[:length])) if length else []
    with pytest.raises(HttpWireError):
        events += wire.receive_end()
    assert not any(isinstance(event, h11.EndOfMessage) for event in events)
    assert not wire.reusable


@given(st.binary(min_size=1, max_size=300))
def test_garbage_gives_events_or_the_peers_fault(octets):
    wire = client(max_header_octets=100)
    events = []
    with suppress(HttpWireError):
        events += wire.receive(octets)
        events += wire.receive_end()
        assert isinstance(events[-1], h11.EndOfMessage)


def test_a_length_of_thousands_of_digits_is_the_peers_fault():
    wire = client(max_header_octets=10_000)
    with pytest.raises(HttpWireError):
        list(wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"))


def test_what_was_whole_before_a_fault_is_given_first():
    wire = client()
    events = wire.receive(CHUNKED[:150] + b"\r\n\r\n" * 100)
    assert isinstance(next(events), h11.InformationalResponse)
    assert isinstance(next(events), h11.Response)
    with pytest.raises(HttpWireError):
        list(events)


def test_octets_behind_a_response_make_the_connection_useless():
    wire = client()
    list(wire.receive(MEASURED + b"more"))
    assert wire.done
    assert wire.left_over == b"more"
    assert not wire.reusable
