"""The catalogue of ends: its rows fit together."""

import pytest

from streamplex.conversation import Reason
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode


@pytest.mark.parametrize("kind", [Outcome, TunnelOutcome, Refusal])
def test_the_code_of_an_end_is_its_name(kind):
    assert [each.value for each in kind] == [each.name.lower() for each in kind]


@pytest.mark.parametrize("kind", [TunnelOutcome, Refusal])
def test_the_error_code_of_a_tunnels_end_has_the_same_name(kind):
    errors = [each for each in kind if each.error is not None]
    assert [each.error.name for each in errors] == [each.name for each in errors]


def test_each_error_of_a_substream_has_an_error_code_of_its_own():
    errors = [each.error for each in Outcome if each.error is not None]
    assert len(set(errors)) == len(errors)
    assert ErrorCode.QUOTA_SPENT in errors


def test_a_refusal_that_may_be_tried_again_is_answered_with_a_reason():
    assert all(each.reason is not None for each in Refusal if each.try_again)
    assert not Refusal.WRONG_TOKEN.try_again
    assert Refusal.NOT_CHECKED.reason is Reason.NOT_CHECKED


def test_a_message_to_the_device_begins_with_nodes_error_code():
    messages = [each.device_error for each in Outcome if each.device_error]
    assert all(message.partition(":")[0].isupper() for message in messages)
