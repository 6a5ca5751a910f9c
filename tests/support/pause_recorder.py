"""Records when the relay pauses and resumes one direction."""

from tessel_proxy.relay.backpressure import Pauses


class RecordedPauses(Pauses):
    """Calls back when it is paused or resumed, or when bytes were taken."""

    def __init__(self, pause=lambda: None, resume=lambda: None, taken=lambda: None):
        super().__init__(relay=None)
        self._pause, self._resume, self._taken = pause, resume, taken

    _pause = _resume = _taken = None  # set above; abstract in the base class
