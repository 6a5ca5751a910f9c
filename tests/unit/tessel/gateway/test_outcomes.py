"""The outcomes of attempts, their codes, and the errors of the network that lead to them."""

import pytest

from tessel.errors import NodeError, ProxyUnreachedError
from tessel.gateway.opening import Credentials, Outcome, outcome_of
from tessel.gateway.opening.outcomes import CODES


def test_each_outcome_has_codes():
    assert set(CODES) == set(Outcome)
    assert [outcome for outcome, codes in CODES.items() if codes.socks5 == 0] == [Outcome.CONNECTED]


@pytest.mark.parametrize(
    ("code", "outcome", "socks5", "http"),
    [
        ("ECONNREFUSED", Outcome.REFUSED, 5, 502),
        ("EHOSTUNREACH", Outcome.HOST_UNREACHABLE, 4, 502),
        ("ENETUNREACH", Outcome.NETWORK_UNREACHABLE, 3, 502),
        ("ENOTFOUND", Outcome.NAME_NOT_FOUND, 4, 502),
        ("EAI_AGAIN", Outcome.NAME_UNKNOWN_NOW, 4, 502),
        ("EACCES", Outcome.NOT_ALLOWED, 2, 403),
        ("ETIMEDOUT", Outcome.TIMED_OUT, 6, 504),
        ("ERR_PROXY_AUTHORIZATION", Outcome.TOKEN_REFUSED, 1, 503),
        ("EMFILE", Outcome.TOO_MANY, 1, 503),
        ("ECONNRESET", Outcome.FAILED, 1, 502),
    ],
)
def test_an_error_of_the_network_has_its_outcome(code, outcome, socks5, http):
    found = outcome_of(NodeError(f"connect {code}", code))

    assert found is outcome
    assert (CODES[found].socks5, CODES[found].http) == (socks5, http)


def test_a_proxy_that_refuses_connections_is_not_a_target_that_does():
    error = ProxyUnreachedError("proxy p:443: connect ECONNREFUSED", "ECONNREFUSED")

    assert outcome_of(error) is Outcome.PROXY_UNREACHED
    assert outcome_of(error.again()) is Outcome.PROXY_UNREACHED


def test_both_the_user_and_the_password_must_match():
    mine = Credentials("me", "secret")

    assert mine.match(b"me", b"secret")
    assert not mine.match(b"me", b"Secret")
    assert not mine.match(b"you", b"secret")
    assert "secret" not in repr(mine)
