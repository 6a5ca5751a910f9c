import pytest

from tessel.network.limits import BACKOFF_CAP_S
from tessel.network.tunneled.backoff import Backoff


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_wait_doubles_up_to_a_cap_and_is_jittered_fully(share):
    backoff = Backoff(lambda: share)
    waits = []
    for _ in range(40):
        backoff.failed(100.0)
        waits.append(backoff.wait_s(100.0))
    assert waits[:4] == [share * wait for wait in (1, 2, 4, 8)]
    assert waits[-1] == share * BACKOFF_CAP_S


def test_the_wait_passes_and_success_forgets_it():
    backoff = Backoff(lambda: 1.0)
    assert backoff.wait_s(0) == 0
    backoff.failed(100.0)
    assert backoff.wait_s(100.25) == 0.75
    assert backoff.wait_s(102) == 0
    backoff.succeeded()
    backoff.failed(200.0)
    assert backoff.wait_s(200.0) == 1
    backoff.succeeded()
    assert backoff.wait_s(200.0) == 1  # as the proxy asked, or as the last failure did
