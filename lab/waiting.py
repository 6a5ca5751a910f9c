"""Waiting for something outside to become true, never for ever."""

import time

POLL_SECONDS = 0.05


def eventually(probe, within=10.0, what=None):
    """The first true value of `probe()`; a TimeoutError that says what was awaited after that.

    `what` is called only then, so that it can tell the last state.
    """
    deadline = time.monotonic() + within
    while not (value := probe()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {within:g} s: {what() if what else probe}")
        time.sleep(POLL_SECONDS)
    return value
