"""The answers to a token, encoded and decoded."""

import json

import pytest

from streamplex.conversation import (
    Accepted,
    Hello,
    Reason,
    Refused,
    decode_answer,
    decode_hello,
    decode_later_refusal,
    encode_answer,
)

ORIGINAL = Hello("x")
ALL_OURS = [
    "reuse/1",
    "halfclose/1",
    "retry/1",
    "reason/1",
    "device/1",
    "goaway/1",
    "ping/1",
    "credit/1",
    "message/1",
]


def hello_with(**said):
    return decode_hello({"token": "t", **said})


def test_a_peer_of_the_original_kind_is_answered_to_the_letter():
    assert (
        json.dumps(encode_answer(Accepted(65536), ORIGINAL), separators=(",", ":"))
        == '{"authed":true}'
    )
    for reason in Reason:
        answer = encode_answer(Refused(reason, try_again=True), ORIGINAL)
        assert json.dumps(answer, separators=(",", ":")) == '{"authed":false}'


def test_features_are_answered_with_ours_in_a_fixed_order():
    assert list(encode_answer(Accepted(65536), hello_with(features=[])).items()) == [
        ("authed", True),
        ("features", ALL_OURS),
    ]


def test_a_device_with_flow_control_is_told_its_window_and_says_ours():
    hello = hello_with(features=["credit/1"], window=1000)
    assert list(encode_answer(Accepted(2000), hello).items())[2:] == [("window", 2000)]
    assert hello.window == 1000


@pytest.mark.parametrize("try_again", [True, False])
def test_whether_to_try_again_is_told_to_those_who_asked(try_again):
    wrong = Reason.WRONG_TOKEN
    answer = encode_answer(Refused(wrong, try_again), hello_with(features=["retry/1"]))
    assert list(answer.items()) == [
        ("authed", False),
        ("retry", try_again),
        ("features", ALL_OURS),
    ]
    silent = encode_answer(Refused(wrong, try_again), hello_with(features=["reuse/1"]))
    assert list(silent) == ["authed", "features"]


@pytest.mark.parametrize("reason", list(Reason))
def test_why_a_token_is_refused_is_told_to_those_who_asked(reason):
    answer = encode_answer(Refused(reason, try_again=False), hello_with(features=["reason/1"]))
    assert list(answer.items()) == [
        ("authed", False),
        ("reason", reason.value),
        ("features", ALL_OURS),
    ]


def decoded(refusal, *, accepted_before):
    return decode_later_refusal(refusal) if accepted_before else decode_answer(refusal)


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("accepted_before", [True, False])
def test_a_known_reason_is_taken_as_it_is(reason, accepted_before):
    refusal = {"authed": False, "retry": True, "reason": str(reason)}
    assert decoded(refusal, accepted_before=accepted_before) == Refused(reason, try_again=True)


@pytest.mark.parametrize("said", [{}, {"reason": "new"}, {"reason": 1}, {"reason": ["revoked"]}])
@pytest.mark.parametrize(
    ("accepted_before", "retry", "reason"),
    [
        (True, False, Reason.REVOKED),
        (True, True, Reason.UNCONFIRMED),
        (False, False, Reason.WRONG_TOKEN),
        (False, True, Reason.NOT_CHECKED),
    ],
)
def test_without_a_known_reason_the_refusal_means_what_it_always_did(
    said, accepted_before, retry, reason
):
    refusal = {"authed": False, "retry": retry} | said
    assert decoded(refusal, accepted_before=accepted_before) == Refused(reason, retry)


@pytest.mark.parametrize("refusal", ["rubbish", 1, None, [], {}, {"retry": 1}, {"retry": "true"}])
def test_only_a_clear_yes_says_that_a_token_may_be_accepted_later(refusal):
    assert decode_answer(refusal) == Refused(Reason.WRONG_TOKEN, try_again=False)


@pytest.mark.parametrize("later", ["rubbish", None, {}, {"authed": True}, {"authed": 0}])
def test_after_the_answer_only_a_refusal_counts(later):
    assert decode_later_refusal(later) is None


def test_a_device_reads_the_window_and_the_features_of_the_proxy():
    hello = hello_with(features=["credit/1"])
    assert decode_answer(encode_answer(Accepted(2000), hello)) == Accepted(2000)
    assert decode_answer({"authed": True}) == Accepted(65_536, frozenset())


def test_the_operators_words_are_told_to_those_who_asked():
    said = Refused(Reason.REFUSED, True, "moved to\nthe new proxy", 90_000)
    answer = encode_answer(said, hello_with(features=["reason/1", "message/1"]))
    assert list(answer.items())[1:4] == [
        ("reason", "refused"),
        ("message", "moved to the new proxy"),
        ("retry_after_ms", 90_000),
    ]
    assert list(encode_answer(said, hello_with(features=["reason/1"])))[1:] == [
        "reason",
        "features",
    ]


def test_without_words_of_the_operator_there_are_no_keys_for_them():
    answer = encode_answer(Refused(Reason.ENDED, True), hello_with(features=["message/1"]))
    assert list(answer) == ["authed", "features"]


@pytest.mark.parametrize("reason", [Reason.ENDED, Reason.REFUSED])
def test_the_operators_words_arrive(reason):
    said = Refused(reason, True, "tea break", 1500)
    hello = hello_with(features=["retry/1", "reason/1", "message/1"])
    assert decode_answer(encode_answer(said, hello)) == said
    assert decode_later_refusal(encode_answer(said, hello)) == said


def test_a_message_cannot_break_lines_hide_text_or_be_long():
    shown = decode_answer({"authed": False, "message": "a\r\n\x1b[2Jb\u202e" + "c" * 300})
    assert shown.message == "a [2Jb" + "c" * 194


@pytest.mark.parametrize("message", [None, 1, True, [], {}])
@pytest.mark.parametrize("after", [None, True, -1, 1.5, "1", 2**53, []])
def test_words_of_another_kind_are_ignored(message, after):
    said = decode_answer({"authed": False, "message": message, "retry_after_ms": after})
    assert (said.message, said.retry_after_ms) == ("", None)


@pytest.mark.parametrize(("after_ms", "sent"), [(-5, 0), (2**60, 2**53 - 1)])
def test_a_time_that_no_peer_could_read_is_not_sent(after_ms, sent):
    said = Refused(Reason.REFUSED, True, "", after_ms)
    answer = encode_answer(said, hello_with(features=["message/1"]))
    assert answer["retry_after_ms"] == sent
