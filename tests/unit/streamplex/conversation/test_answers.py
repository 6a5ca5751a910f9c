"""Why a token is refused: the words, and what a refusal without a word means."""

import pytest

from streamplex.refusals import Reason, may_be_accepted_later, reason_of


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("accepted_before", [True, False])
def test_a_known_reason_is_taken_as_it_is(reason, accepted_before):
    refusal = {"authed": False, "retry": True, "reason": str(reason)}
    assert reason_of(refusal, accepted_before=accepted_before) is reason


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
    assert reason_of(refusal, accepted_before=accepted_before) is reason


@pytest.mark.parametrize("refusal", ["rubbish", 1, None, [], {}, {"retry": 1}, {"retry": "true"}])
def test_only_a_clear_yes_says_that_a_token_may_be_accepted_later(refusal):
    assert not may_be_accepted_later(refusal)
    assert reason_of(refusal, accepted_before=False) is Reason.WRONG_TOKEN
