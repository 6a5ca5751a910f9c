"""Watchers are notified how checks of tokens end."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock

from tessel_proxy.auth import Account, AuthMisconfiguredError, AuthUnavailableError, Refused
from tessel_proxy.auth.wrappers import (
    AuthResult,
    ReportingAuthenticator,
    ResultListener,
    TimedAuthenticator,
)
from tessel_proxy.records.durations import Histogram


class Answering:
    def __init__(self, answer):
        self._answer = answer

    def check(self, _token):
        if isinstance(self._answer, Deferred):
            return self._answer
        failed = isinstance(self._answer, Exception)
        return fail(self._answer) if failed else succeed(self._answer)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (Account("a"), AuthResult.ACCEPTED),
        (Refused(), AuthResult.REFUSED),
        (AuthUnavailableError("down"), AuthResult.UNAVAILABLE),
        (AuthMisconfiguredError("who?"), AuthResult.MISCONFIGURED),
        (CancelledError(), AuthResult.CANCELLED),
        (ZeroDivisionError(), AuthResult.BROKEN),
    ],
)
def test_every_end_is_reported_and_stays_what_it_was(answer, result):
    told, ended = [], []
    ReportingAuthenticator(Answering(answer), told.append).check("t").addBoth(ended.append)
    assert told == [result]
    assert getattr(ended[0], "value", ended[0]) == answer


def test_news_go_to_whoever_listens():
    news, told = ResultListener(), []
    news.report(AuthResult.REFUSED)
    news.listener = told.append
    news.report(AuthResult.ACCEPTED)
    assert told == [AuthResult.ACCEPTED]


def test_the_time_of_each_check_counts_also_if_it_fails():
    clock, took = Clock(), Histogram((1.0, 5.0))
    waiting = Deferred()
    TimedAuthenticator(Answering(waiting), clock, took).check("t").addErrback(lambda _: None)
    clock.advance(3)
    waiting.errback(AuthUnavailableError("down"))
    assert (took.counts, took.sum_s) == ([0, 1, 0], 3.0)
