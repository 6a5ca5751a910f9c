"""The messages of an invitation, encoded and decoded."""

import pytest

from streamplex.conversation import (
    MAX_AUTHORITY_CHARACTERS,
    AuthorityShown,
    Joined,
    JoinRefusal,
    JoinRequest,
    NotJoined,
    decode_join,
    decode_joined,
    encode_join,
    encode_joined,
)

CODE = "q3c0AbCdEfGhIjKlMnOp-_"
ANSWERS = [
    AuthorityShown(None),
    AuthorityShown("-----BEGIN CERTIFICATE-----\n"),
    Joined("kim", "a-token"),
    NotJoined(JoinRefusal.UNKNOWN),
    *(NotJoined(each, 1_764_480_000) for each in JoinRefusal),
]


@pytest.mark.parametrize("request_", [JoinRequest(None), JoinRequest(CODE)])
def test_a_request_is_read_as_it_was_meant(request_):
    assert decode_join(encode_join(request_)) == request_


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_read_as_it_was_meant(answer):
    assert decode_joined(encode_joined(answer)) == answer


@pytest.mark.parametrize("code", [None, 7, "", "short", CODE + "/", "x" * 65, [], {}])
def test_a_code_that_no_proxy_makes_is_empty(code):
    assert decode_join({"join": {"code": code}}) == JoinRequest("")


@pytest.mark.parametrize("value", [None, 7, "join", [], {}, {"join": 7}, {"token": "t"}])
def test_another_message_is_no_request(value):
    assert decode_join(value) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"authed": False},
        {"joined": None},
        {"joined": {}},
        {"joined": {"token": 7, "account": "kim"}},
        {"joined": {"token": "t"}},
        {"joined": {"refused": 7}},
        {"joined": {"authority": "x" * (MAX_AUTHORITY_CHARACTERS + 1)}},
    ],
)
def test_a_malformed_answer_is_none(value):
    assert decode_joined(value) is None


@pytest.mark.parametrize(
    "text", ["", "a\nPATH=/x", "a\rb", "a\x1b[2J", "a\u2028b", "a\x85b", "x" * 513]
)
def test_a_text_that_would_harm_a_file_or_a_terminal_is_no_answer(text):
    assert decode_joined({"joined": {"account": text, "token": "t"}}) is None
    assert decode_joined({"joined": {"account": "kim", "token": text}}) is None


@pytest.mark.parametrize("token", ["a b", "$(id)", "${HOME}", "`id`", "a;b", "'", '"', "#a", "\\"])
def test_a_token_that_a_shell_would_change_is_no_answer(token):
    assert decode_joined({"joined": {"account": "kim", "token": token}}) is None


def test_an_unknown_refusal_counts_as_unavailable():
    assert decode_joined({"joined": {"refused": "tired"}}) == NotJoined(JoinRefusal.UNAVAILABLE)


@pytest.mark.parametrize("at", [-1, 10**12, 1.5, "now", None])
def test_a_time_that_no_date_shows_is_ignored(at):
    assert decode_joined({"joined": {"refused": "used", "at": at}}) == NotJoined(JoinRefusal.USED)
