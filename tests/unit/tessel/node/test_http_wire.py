"""HTTP's bytes into events: the same however they are cut, and a fault behind what was complete."""

from collections import deque
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessel.node._http.bodies import NoBody
from tessel.node._http.events import Body, End, HttpWireError, RequestHead, ResponseHead
from tessel.node._http.parser import RequestParser, ResponseParser
from tessel.node._http.wire import HttpWire

BODY = bytes(range(256))
CHUNKED = (
    b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"80\r\n" + BODY[:128] + b"\r\n80;x=y\r\n" + BODY[128:] + b"\r\n0\r\nSum: 1\r\n\r\n"
)
MEASURED = b"HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n" + BODY
POST = b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 256\r\n\r\n" + BODY
UPGRADE = b"POST /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\nabc"


def client(max_header_bytes=1000, max_body_bytes=None, method="GET"):
    """A client that has asked."""
    wire = HttpWire(ResponseParser(max_header_bytes, max_body_bytes, method=method))
    wire.begin(b"", NoBody(), close=False)
    wire.end([])
    return wire


def server(max_header_bytes=1000):
    return HttpWire(RequestParser(max_header_bytes, None))


def cut(data, places):
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a != b]


def fed(wire, content, data):
    places = data.draw(st.sets(st.integers(0, len(content)), max_size=12))
    return [event for piece in cut(content, places) for event in wire.receive(piece)]


def body(events):
    return b"".join(event.data for event in events if isinstance(event, Body))


@given(st.sampled_from([CHUNKED, MEASURED]), st.data())
def test_a_response_is_the_same_however_it_is_cut(content, data):
    wire = client()
    events = fed(wire, content, data)
    assert body(events) == BODY
    assert isinstance(events[-1], End)
    assert wire.reusable


@given(st.data())
def test_requests_are_the_same_however_they_are_cut(data):
    wire = server()
    events = fed(wire, b"\r\n" + POST + b"\r\n\r\n" + POST, data)
    wire.next_cycle()
    events += wire.events()
    assert body(events) == BODY + BODY
    assert [type(e) for e in events if not isinstance(e, Body)] == [RequestHead, End] * 2
    assert wire.between


@given(st.sampled_from([CHUNKED, MEASURED]), st.data())
def test_a_response_that_is_cut_short_never_looks_complete(content, data):
    length = data.draw(st.integers(0, len(content) - 1))
    wire = client()
    events = list(wire.receive(content[:length])) if length else []
    with pytest.raises(HttpWireError):
        events += wire.receive_end()
    assert not any(isinstance(event, End) for event in events)
    assert not wire.reusable


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["GET", "HEAD", "CONNECT"]))
def test_garbage_gives_events_or_the_peers_fault(data, method):
    wire = client(max_header_bytes=100, method=method)
    events = []
    with suppress(HttpWireError):
        events += wire.receive(data)
        events += wire.receive_end()
        assert isinstance(events[-1], End)


def test_a_length_of_thousands_of_digits_is_the_peers_fault():
    wire = client(max_header_bytes=10_000)
    with pytest.raises(HttpWireError):
        list(wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"))


def test_what_was_complete_before_a_fault_is_given_first():
    wire = client()
    events = wire.receive(CHUNKED[:150] + b"\r\n\r\n" * 100)
    assert isinstance(next(events), ResponseHead)
    assert isinstance(next(events), ResponseHead)
    with pytest.raises(HttpWireError):
        list(events)


def test_bytes_behind_a_response_make_the_connection_useless():
    wire = client()
    list(wire.receive(MEASURED + b"x"))
    assert wire.done
    assert not wire.reusable


@pytest.mark.parametrize("line_ends", [b"\r\n", b"\n", b"\r\n" * 50])
def test_blank_lines_before_a_message_are_skipped(line_ends):
    assert list(client().receive(line_ends + MEASURED))
    assert list(server().receive(line_ends + POST))


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /",
        b"GET / HTTP/1.1\r\n",
        b"\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: ",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 700, 5000])
def test_what_never_ends_is_refused(endless, size):
    more = (
        b"\r\n"
        if endless == b"\r\n"
        else b"a: b\r\n"
        if endless.endswith((b"1\r\n", b"0\r\n"))
        else b"a"
    )
    wire = server(max_header_bytes=2000)
    list(wire.receive(endless))
    with pytest.raises(HttpWireError, match="overflow"):
        deque(event for _ in range(20_000) for event in wire.receive(more * size))


@given(st.data())
def test_an_upgrade_that_is_declined_is_a_request_like_others(data):
    parser = RequestParser(1000, None)
    wire = HttpWire(parser)
    places = data.draw(st.sets(st.integers(0, len(UPGRADE)), max_size=12))
    events = []
    for piece in cut(UPGRADE, places):
        for event in wire.receive(piece):
            events.append(event)
            if isinstance(event, RequestHead) and event.upgrade:
                parser.decline(event)
    assert body(events) == b"abc"
    assert isinstance(events[-1], End)
    wire.next_cycle()
    assert body(wire.receive(POST)) == BODY


@pytest.mark.parametrize("method", [b"CONNECT a:80", b"GET /"])
def test_the_bytes_behind_an_upgrade_are_another_protocols(method):
    head = method + b" HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    wire = server()
    events = wire.receive(head + b"GET / HTTP/1.1\r\n\r\n")
    assert next(events).upgrade
    assert wire.left_over == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("method", ["HEAD", "CONNECT"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_response_without_a_body_ends_behind_its_head(method, size):
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    wire = client(method=method)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    events = [event for piece in pieces for event in wire.receive(piece)]
    assert [type(event) for event in events] == [ResponseHead, End]
    assert not wire.reusable
