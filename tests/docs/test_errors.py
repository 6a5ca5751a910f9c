"""docs/errors.md has a paragraph for every number, and the code a number for every paragraph."""

import re
from pathlib import Path

import pytest

from tessel_proxy.numbers import Number, number_of
from tessel_proxy.record import Outcome, Refusal, TunnelOutcome

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
NO_ERRORS = {
    Outcome.ENDED,
    Outcome.ENDED_WITHOUT_CLOSE_NOTIFY,
    Outcome.LEFT_BY_DEVICE,
    TunnelOutcome.ENDED,
    TunnelOutcome.STOPPED,
}


def paragraphs():
    """The first word in bold under each number."""
    return dict(re.findall(r"^### (TP\d{4})\n\n(\*\*.+)", PAGE.read_text(), re.MULTILINE))


def test_every_number_has_a_paragraph_and_every_paragraph_a_number():
    assert sorted(paragraphs()) == sorted(Number)
    assert PAGE.read_text().count("\n### ") == len(Number)


@pytest.mark.parametrize("kind", [Outcome, TunnelOutcome, Refusal])
def test_every_outcome_that_is_an_error_has_a_number(kind):
    without = {each for each in kind if number_of(each) is None}
    assert without == {each for each in NO_ERRORS if isinstance(each, kind)}
