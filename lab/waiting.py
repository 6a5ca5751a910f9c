"""Wait until a condition outside of this process is true, with a time limit."""

import time

POLL_SECONDS = 0.05


def eventually(probe, within=10.0, what=None):
    """Call `probe` until it returns a true value, and return this value.

    Args:
        probe: the condition.
        within: seconds after which TimeoutError is raised.
        what: returns a text for this error. It is called last, so that it can show the last state.
    """
    deadline = time.monotonic() + within
    while not (value := probe()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {within:g} s: {what() if what else probe}")
        time.sleep(POLL_SECONDS)
    return value
