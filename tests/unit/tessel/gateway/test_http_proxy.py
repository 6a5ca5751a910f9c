"""HTTP at the gateway: CONNECT, requests that are passed on, and what is refused."""

import base64

import pytest

from support.gateway.openings import WAYS, outcome_of_refusal
from tessel.gateway.opening import Connect, Credentials, Opening, Outcome, Refuse, ToTarget
from tessel.gateway.opening.http_proxy import MAX_HEAD_BYTES, NEXT, State, Step

CONNECT = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"
ME = Credentials("me", "secret")

REFUSED = {
    "a page of this port": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, Outcome.NOT_FOR_A_PROXY),
    "a path with an address in it": (
        b"GET /?u=http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
        Outcome.NOT_FOR_A_PROXY,
    ),
    "the server as a whole": (
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
        Outcome.NOT_FOR_A_PROXY,
    ),
    "https:// without CONNECT": (
        b"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        501,
        Outcome.UNSUPPORTED_SCHEME,
    ),
    "ftp://": (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 501, Outcome.UNSUPPORTED_SCHEME),
    "CONNECT without a port": (b"CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n", 400, Outcome.MALFORMED),
    "CONNECT to port 0": (b"CONNECT x:0 HTTP/1.1\r\nHost: x\r\n\r\n", 400, Outcome.MALFORMED),
    "CONNECT to port 65536": (
        b"CONNECT x:65536 HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
        Outcome.MALFORMED,
    ),
    "CONNECT with a body": (
        b"CONNECT x:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        Outcome.MALFORMED,
    ),
    "a page of this port, with a malformed field": (
        b"GET / HTTP/1.1\r\nTransfer-Encoding: !\r\n\r\n",
        400,
        Outcome.NOT_FOR_A_PROXY,
    ),
    "a user in the address": (
        b"GET http://u:p@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
        Outcome.MALFORMED,
    ),
    "an address without a host": (b"GET http:///x HTTP/1.1\r\n\r\n", 400, Outcome.MALFORMED),
    "no HTTP": (b"HELLO\r\n\r\n", 400, Outcome.MALFORMED),
    "two lengths": (
        b"POST http://x/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        400,
        Outcome.MALFORMED,
    ),
    "a length and chunks": (
        b"POST http://x/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        Outcome.MALFORMED,
    ),
    "a head without an end": (
        b"GET http://x/ HTTP/1.1\r\nA: " + b"a" * (2 * MAX_HEAD_BYTES),
        431,
        Outcome.HEAD_TOO_LARGE,
    ),
}


def to_target(events):
    return b"".join(event.data for event in events if isinstance(event, ToTarget))


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize(
    ("authority", "connect"),
    [
        (b"example.com:443", Connect("example.com", 443)),
        (b"192.0.2.4:22", Connect("192.0.2.4", 22)),
        (b"[2001:db8::1]:80", Connect("2001:db8::1", 80)),
    ],
)
def test_connect_opens_a_connection_and_early_bytes_go_to_the_target(authority, connect, feed):
    request = b"CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n" % authority

    assert feed(Opening(None), request) == [connect]
    early = feed(Opening(None), request + b"\x16\x03early")
    assert early == [connect, ToTarget(b"\x16\x03early")]


@pytest.mark.parametrize("feed", WAYS)
def test_a_request_is_passed_on_with_the_path_alone_and_without_fields_for_the_proxy(feed):
    request = (
        b"GET http://example.com:81/a?b=http://c HTTP/1.1\r\nHost: wrong\r\nAccept: */*\r\n"
        b"Proxy-Connection: keep-alive\r\nConnection: keep-alive, x-mine\r\nX-Mine: 1\r\n"
        b"Proxy-Authorization: Basic eA==\r\nTE: trailers\r\nCookie: a=b\r\n\r\n"
    )

    events = feed(Opening(None), request)

    assert events[0] == Connect("example.com", 81)
    assert to_target(events) == (
        b"GET /a?b=http://c HTTP/1.1\r\nHost: example.com:81\r\nAccept: */*\r\n"
        b"Cookie: a=b\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("feed", WAYS)
def test_a_body_ends_where_its_length_says_and_a_second_request_is_ignored(feed):
    request = b"POST http://x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"
    second = b"GET http://other/ HTTP/1.1\r\nHost: other\r\n\r\n"

    events = feed(Opening(None), request + second)

    assert events[0] == Connect("x", 80)
    assert to_target(events) == (
        b"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    )


def test_a_chunked_body_is_passed_on_in_chunks():
    request = b"PUT http://x/y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    events = Opening(None).receive(request + b"3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n")

    assert to_target(events).partition(b"\r\n\r\n")[2] == b"3\r\nabc\r\n0\r\n\r\n"
    assert b"Transfer-Encoding: chunked" in to_target(events)


def test_an_upgrade_is_passed_on_as_an_ordinary_request_with_its_body():
    request = (
        b"POST http://x/ HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 2\r\n\r\nhi"
    )

    sent = to_target(Opening(None).receive(request))

    assert sent == (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    )


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused_with_a_response_that_says_why(name, feed):
    request, status, outcome = REFUSED[name]

    events = feed(Opening(None), request)

    assert outcome_of_refusal(events) is outcome
    assert events[0].data.startswith(b"HTTP/1.1 %d " % status)
    assert outcome.value.encode() in events[0].data


def test_a_malformed_body_ends_the_request_without_a_response():
    opening = Opening(None)
    opening.receive(b"POST http://x/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

    (refusal,) = opening.receive(b"no length\r\n")

    assert refusal == Refuse(b"", Outcome.MALFORMED, refusal.detail)
    assert opening.receive(b"more") == []


@pytest.mark.parametrize("feed", WAYS)
def test_the_right_password_allows_a_request(feed):
    field = b"Proxy-Authorization: basic " + base64.b64encode(b"me:secret")
    request = CONNECT.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")

    assert feed(Opening(ME), request) == [Connect("example.com", 443)]


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"Proxy-Authorization: Basic " + base64.b64encode(b"me:wrong"),
        b"Proxy-Authorization: Basic " + base64.b64encode(b"mesecret"),
        b"Proxy-Authorization: Basic !",
        b"Proxy-Authorization: Bearer secret",
        b"Authorization: Basic " + base64.b64encode(b"me:secret"),
        (b"Proxy-Authorization: Basic " + base64.b64encode(b"me:secret") + b"\r\n") * 2 + b"A: b",
    ],
)
def test_a_request_without_the_right_password_gets_407(field):
    request = CONNECT.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n" if field else b"\r\n\r\n")

    events = Opening(ME).receive(request)

    assert outcome_of_refusal(events) is Outcome.WRONG_PASSWORD
    assert b'\r\nProxy-Authenticate: Basic realm="tessel gateway"' in events[0].data


def test_the_answer_to_connect_is_200_or_the_error_in_words():
    opening = Opening(None)
    assert opening.answer(Outcome.TOO_SLOW) == b""
    opening.receive(CONNECT)

    assert opening.answer(Outcome.CONNECTED) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    refused = opening.answer(Outcome.NOT_ALLOWED, "connect EACCES 10.0.0.1:80")
    assert refused.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert refused.endswith(b"(connect EACCES 10.0.0.1:80)\n")


def test_the_target_itself_answers_a_request_that_is_passed_on():
    opening = Opening(None)
    opening.receive(b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n")

    assert opening.answer(Outcome.CONNECTED) == b""
    assert opening.answer(Outcome.TIMED_OUT).startswith(b"HTTP/1.1 504 ")


def test_a_slow_head_gets_408():
    opening = Opening(None)
    opening.receive(b"GET http")

    assert opening.answer(Outcome.TOO_SLOW).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("first", [b"\x16\x03\x01", b"\x00", b"\xff", b" GET", b"\x06"])
def test_an_unknown_protocol_is_refused_without_an_answer(first):
    events = Opening(None).receive(first)

    assert outcome_of_refusal(events) is Outcome.UNKNOWN_PROTOCOL
    assert events[0].data == b""


def test_each_state_has_a_row_and_leads_to_states():
    assert set(NEXT) == set(State)
    assert {state for row in NEXT.values() for state in row.values()} == set(State) - {State.HEAD}
    assert {step for row in NEXT.values() for step in row} == set(Step)
