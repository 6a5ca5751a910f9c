"""A direction that tests pause."""

from tessel_proxy.relay.backpressure import Pauses


class Told(Pauses):
    """Calls when it is paused, resumed, or something of it was taken."""

    def __init__(self, pause=lambda: None, resume=lambda: None, taken=lambda: None):
        super().__init__(relay=None)
        self._pause, self._resume, self._taken = pause, resume, taken

    _pause = _resume = _taken = None  # set above; abstract in what it is derived from
