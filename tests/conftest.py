"""A test that leaves a logged failure or a dropped Deferred behind fails."""

import gc
import sys

import pytest
from twisted.logger import globalLogPublisher

from tessel_service_kit.reactor import reactor as _reactor  # noqa: F401 -- before Twisted installs its own


def pytest_collection_finish():
    """Leave what the imports made out of the collections after each test: they take 60 ms else."""
    gc.collect()
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()


class LoggedFailures:
    """The failures logged while a test ran; `flush` takes those a test expects."""

    def __init__(self):
        self._events = []

    def __call__(self, event):
        if event.get("log_failure") is not None:
            self._events.append(event)

    def flush(self, *kinds):
        """Take out and return the failures of these exception classes (all, if none is named)."""
        taken = [
            e["log_failure"] for e in self._events if not kinds or e["log_failure"].check(*kinds)
        ]
        self._events = [e for e in self._events if e["log_failure"] not in taken]
        return taken


@pytest.fixture(autouse=True)
def logged_failures():
    seen = LoggedFailures()
    globalLogPublisher.addObserver(seen)
    yield seen
    gc.collect()  # an unhandled Deferred logs when it is collected
    globalLogPublisher.removeObserver(seen)
    left = seen.flush()
    assert not left, "logged and not expected:\n" + "\n".join(f.getTraceback() for f in left)


@pytest.fixture
def untraced():
    """Measure no coverage: it makes tests with many substreams slow, and learns nothing more."""
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)
