"""RFC 1928 and RFC 1929, case by case: bytes of a client, and what the gateway does."""

import pytest

from support.gateway.openings import WAYS, outcome_of_refusal
from tessel.gateway.opening import Connect, Credentials, Opening, Outcome, Refuse, Send, ToTarget
from tessel.gateway.opening.socks5 import NEXT, Method, State, Step

GREETING = bytes.fromhex("050100")
METHOD_NONE = Send(bytes.fromhex("0500"))
METHOD_PASSWORD = Send(bytes.fromhex("0502"))
RIGHT = Send(bytes.fromhex("0100"))
TO_IPV4 = bytes.fromhex("05010001 c0000204 01bb")
TO_NAME = bytes.fromhex("05010003 0b") + b"example.com" + bytes.fromhex("01bb")
TO_IPV6 = bytes.fromhex("05010004 20010db8000000000000000000000001 0050")
PASSWORD = b"\x01\x02me\x06secret"
NO_ADDRESS = bytes.fromhex("0001 00000000 0000")

REQUESTS = {
    "CONNECT to an IPv4 address": (TO_IPV4, Connect("192.0.2.4", 443)),
    "CONNECT to a name, which the proxy looks up": (TO_NAME, Connect("example.com", 443)),
    "CONNECT to an IPv6 address": (TO_IPV6, Connect("2001:db8::1", 80)),
    "CONNECT to a name in another script": (
        b"\x05\x01\x00\x03\x07b\xc3\xbccher\x00\x50",
        Connect("bücher", 80),
    ),
    "RSV is ignored": (b"\x05\x01\x7f\x01\x01\x02\x03\x04\x00\x50", Connect("1.2.3.4", 80)),
    "the longest name": (
        b"\x05\x01\x00\x03\xff" + b"a" * 255 + b"\x00\x50",
        Connect("a" * 255, 80),
    ),
}

REFUSED_REQUESTS = {
    "BIND": ("05020001 c0000204 0050", 7, Outcome.UNSUPPORTED_COMMAND),
    "UDP ASSOCIATE": ("05030001 00000000 0000", 7, Outcome.UNSUPPORTED_COMMAND),
    "command 0": ("05000001 c0000204 0050", 7, Outcome.UNSUPPORTED_COMMAND),
    "an unknown command": ("05f00001 c0000204 0050", 7, Outcome.UNSUPPORTED_COMMAND),
    "address type 0": ("05010000", 8, Outcome.UNSUPPORTED_ADDRESS),
    "address type 2": ("05010002", 8, Outcome.UNSUPPORTED_ADDRESS),
    "address type 255": ("050100ff", 8, Outcome.UNSUPPORTED_ADDRESS),
    "port 0": ("05010001 c0000204 0000", 1, Outcome.MALFORMED),
    "an empty name": ("05010003 00 0050", 1, Outcome.MALFORMED),
    "a name that is not UTF-8": ("05010003 02 c328 0050", 1, Outcome.MALFORMED),
    "a name with a space": ("05010003 03 612062 0050", 1, Outcome.MALFORMED),
    "a name that would control a terminal": ("05010003 03 611b5b 0050", 1, Outcome.MALFORMED),
    "version 4 in the request": ("04010001 c0000204 0050", 1, Outcome.MALFORMED),
}

REFUSED_GREETINGS = {
    "no method at all": ("0500", None),
    "only GSSAPI": ("050101", None),
    "only a password, which is not needed": ("050102", None),
    "no password, which is needed": ("050100", Credentials("me", "secret")),
    "an unknown method": ("050180", Credentials("me", "secret")),
}

REFUSED_PASSWORDS = {
    "another password": b"\x01\x02me\x05wrong",
    "another user": b"\x01\x02yo\x06secret",
    "nothing": b"\x01\x00\x00",
    "the user alone": b"\x01\x02me\x00",
    "another version of the message": b"\x05\x02me\x06secret",
}


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_connects(name, feed):
    request, connect = REQUESTS[name]

    events = feed(Opening(None), GREETING + request)

    assert events == [METHOD_NONE, connect]


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REQUESTS)
def test_bytes_after_a_request_go_to_the_target(name, feed):
    request, connect = REQUESTS[name]

    events = feed(Opening(None), GREETING + request + b"\x05\x01early")

    assert events == [METHOD_NONE, connect, ToTarget(b"\x05\x01early")]


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REFUSED_REQUESTS)
def test_a_request_is_refused_with_its_code(name, feed):
    request, code, outcome = REFUSED_REQUESTS[name]

    events = feed(Opening(None), GREETING + bytes.fromhex(request) + b"more")

    assert events[0] == METHOD_NONE
    assert outcome_of_refusal(events[1:]) is outcome
    assert events[1].data == bytes((5, code)) + NO_ADDRESS


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REFUSED_GREETINGS)
def test_a_greeting_without_the_needed_method_is_refused(name, feed):
    greeting, credentials = REFUSED_GREETINGS[name]

    events = feed(Opening(credentials), bytes.fromhex(greeting) + TO_IPV4)

    assert outcome_of_refusal(events) is Outcome.WRONG_PASSWORD
    assert events[0].data == bytes.fromhex("05ff")


@pytest.mark.parametrize("feed", WAYS)
def test_a_method_is_chosen_from_many(feed):
    events = feed(Opening(None), bytes.fromhex("0503010200") + TO_IPV4)

    assert events == [METHOD_NONE, Connect("192.0.2.4", 443)]


@pytest.mark.parametrize("feed", WAYS)
def test_the_right_password_allows_a_request(feed):
    opening = Opening(Credentials("me", "secret"))

    events = feed(opening, bytes.fromhex("05020002") + PASSWORD + TO_NAME)

    assert events == [METHOD_PASSWORD, RIGHT, Connect("example.com", 443)]


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REFUSED_PASSWORDS)
def test_a_wrong_password_is_refused_and_no_request_is_read(name, feed):
    opening = Opening(Credentials("me", "secret"))

    events = feed(opening, bytes.fromhex("050102") + REFUSED_PASSWORDS[name] + TO_NAME)

    assert events[0] == METHOD_PASSWORD
    assert isinstance(events[1], Refuse)
    assert events[1].data == bytes.fromhex("0101")
    assert len(events) == 2


def test_a_password_of_255_bytes_fits():
    opening = Opening(Credentials("u" * 255, "p" * 255))
    password = b"\x01\xff" + b"u" * 255 + b"\xff" + b"p" * 255

    assert opening.receive(bytes.fromhex("050102") + password) == [METHOD_PASSWORD, RIGHT]


def test_the_answer_is_that_of_the_request():
    opening = Opening(None)
    assert opening.answer(Outcome.REFUSED) == b""  # nothing is asked yet
    opening.receive(GREETING + TO_NAME)

    assert opening.answer(Outcome.CONNECTED) == b"\x05\x00" + NO_ADDRESS
    assert opening.answer(Outcome.REFUSED, "connect ECONNREFUSED") == b"\x05\x05" + NO_ADDRESS


def test_each_state_has_a_row_and_leads_to_states():
    assert set(NEXT) == set(State)
    assert {state for row in NEXT.values() for state in row.values()} == set(State) - {
        State.GREETING
    }
    assert {step for row in NEXT.values() for step in row} == set(Step)
    assert tuple(Method) == (0, 2)
