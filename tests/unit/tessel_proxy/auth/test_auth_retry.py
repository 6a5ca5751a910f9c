import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tessel_proxy.auth import AuthUnavailableError
from tessel_proxy.auth.attempts import PAUSES_S, PassingTroubleError, with_retries


class Attempts:
    """What each attempt comes to."""

    def __init__(self, *outcomes, jitter=1.0):
        self.clock = Clock()
        self.left = list(outcomes)
        self.result = None
        asked = Deferred.fromCoroutine(with_retries(self._next, self.clock, lambda: jitter))
        asked.addBoth(lambda result: setattr(self, "result", result))

    async def _next(self):
        outcome = self.left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_a_first_answer_is_taken():
    assert Attempts("yes", "no").result == "yes"


def test_the_pauses_before_the_next_attempts_are_known():
    attempts = Attempts(PassingTroubleError(), PassingTroubleError(), "yes")
    attempts.clock.advance(PAUSES_S[0] - 0.01)
    assert len(attempts.left) == 2
    attempts.clock.advance(0.01)
    assert len(attempts.left) == 1
    attempts.clock.advance(PAUSES_S[1])
    assert attempts.result == "yes"


def test_the_whole_pause_is_random():
    attempts = Attempts(PassingTroubleError(), "yes", jitter=0.5)
    attempts.clock.advance(PAUSES_S[0] / 2)
    assert attempts.result == "yes"


def test_the_last_trouble_is_reported():
    attempts = Attempts(*[PassingTroubleError(str(number)) for number in range(9)], jitter=0)
    for _ in range(9):
        attempts.clock.advance(0)
    assert str(attempts.result.value) == str(len(PAUSES_S))
    assert attempts.result.check(AuthUnavailableError)


@pytest.mark.parametrize("error", [AuthUnavailableError("decided"), ZeroDivisionError()])
def test_what_will_not_pass_is_not_tried_again(error):
    assert Attempts(error, "yes").result.value is error
