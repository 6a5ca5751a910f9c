"""The result of a Deferred, for tests that look at it later."""


class Outcome:
    """What a Deferred came to."""

    def __init__(self, deferred):
        self.value = self.error = None
        deferred.addCallbacks(self._got, self._failed)

    def _got(self, value):
        self.value = value

    def _failed(self, failure):
        self.error = failure.value

    @property
    def pending(self):
        return self.value is None and self.error is None
