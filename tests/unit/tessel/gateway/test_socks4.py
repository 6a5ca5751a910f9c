"""SOCKS4 and SOCKS4a: bytes of a client, and what the gateway does."""

import pytest

from support.gateway.openings import WAYS, outcome_of_refusal
from tessel.gateway.opening import Connect, Credentials, Opening, Outcome, ToTarget
from tessel.gateway.opening.socks4 import NEXT, State, Step

TO_ADDRESS = bytes.fromhex("0401 01bb c0000204") + b"me\0"
TO_NAME = bytes.fromhex("0401 01bb 00000001") + b"\0example.com\0"
GRANTED = bytes.fromhex("005a 0000 00000000")
REJECTED = bytes.fromhex("005b 0000 00000000")

REFUSED = {
    "BIND": (b"\x04\x02\x01\xbb\x7f\x00\x00\x01\0", Outcome.UNSUPPORTED_COMMAND),
    "port 0": (b"\x04\x01\x00\x00\x7f\x00\x00\x01\0", Outcome.MALFORMED),
    "an empty name": (b"\x04\x01\x01\xbb\x00\x00\x00\x01me\0\0", Outcome.MALFORMED),
    "a name that is not UTF-8": (
        b"\x04\x01\x01\xbb\x00\x00\x00\x01\0\xc3\x28\0",
        Outcome.MALFORMED,
    ),
    "a user without an end": (b"\x04\x01\x01\xbb\x7f\x00\x00\x01" + b"u" * 256, Outcome.MALFORMED),
    "a name without an end": (
        b"\x04\x01\x01\xbb\x00\x00\x00\x01\0" + b"n" * 256,
        Outcome.MALFORMED,
    ),
}


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize(
    ("request_bytes", "connect"),
    [
        pytest.param(TO_ADDRESS, Connect("192.0.2.4", 443), id="address"),
        pytest.param(TO_NAME, Connect("example.com", 443), id="name"),
        pytest.param(
            b"\x04\x01\x00\x50\x00\x00\x00\x00\0", Connect("0.0.0.0", 80), id="not a name"
        ),
    ],
)
def test_a_request_connects_and_the_bytes_after_it_go_to_the_target(request_bytes, connect, feed):
    assert feed(Opening(None), request_bytes) == [connect]
    early = feed(Opening(None), request_bytes + b"early\0data")
    assert early == [connect, ToTarget(b"early\0data")]


@pytest.mark.parametrize("feed", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused(name, feed):
    request, outcome = REFUSED[name]

    events = feed(Opening(None), request)

    assert outcome_of_refusal(events) is outcome
    assert events[0].data == REJECTED


def test_a_gateway_with_a_password_refuses_socks4_which_has_none():
    events = Opening(Credentials("me", "secret")).receive(TO_NAME)

    assert outcome_of_refusal(events) is Outcome.WRONG_PASSWORD


def test_the_answer_is_that_of_the_request():
    opening = Opening(None)
    assert opening.answer(Outcome.FAILED) == b""
    opening.receive(TO_NAME)

    assert opening.answer(Outcome.CONNECTED) == GRANTED
    assert opening.answer(Outcome.NAME_NOT_FOUND) == REJECTED


def test_each_state_has_a_row_and_leads_to_states():
    assert set(NEXT) == set(State)
    assert {state for row in NEXT.values() for state in row.values()} == set(State) - {
        State.REQUEST
    }
    assert {step for row in NEXT.values() for step in row} == set(Step)
