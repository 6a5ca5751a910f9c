"""How a substream's two halves end: the tables over all states and inputs."""

import pytest

from streamplex.tx.substream_states import READING, WRITING, Reading, Writing, WritingInput

READING_ORDER = list(Reading)
WRITING_ORDER = list(Writing)


@pytest.mark.parametrize("state", READING_ORDER)
def test_reading_never_goes_back(state):
    for after in READING[state].values():
        assert READING_ORDER.index(after) >= READING_ORDER.index(state)


@pytest.mark.parametrize("state", WRITING_ORDER)
def test_writing_never_goes_back(state):
    for after in WRITING[state].values():
        assert WRITING_ORDER.index(after) >= WRITING_ORDER.index(state)


@pytest.mark.parametrize("state", WRITING_ORDER)
def test_an_end_may_be_asked_for_at_any_time_and_is_queued_once(state):
    after = WRITING[state][WritingInput.END]
    assert after.is_over
    assert WRITING[after][WritingInput.END] is after


def test_data_is_wanted_before_and_while_a_protocol_takes_it():
    assert [state for state in Reading if state.wants_data] == [Reading.WAITING, Reading.OPEN]
