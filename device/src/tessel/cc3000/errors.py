"""What goes wrong between the chip's sockets and its pins."""

from __future__ import annotations


class FrameError(ValueError):
    """Bytes that no CC3000 and no host of one would send: noise, or a wrong wire."""


class ChipError(Exception):
    """The chip is gone: what it was asked will not be answered, and its sockets are lost."""


class BusError(ChipError):
    """The machine could not move a pin or a byte: no such device, no right, pulled cable."""


class SilentError(ChipError):
    """The chip did not say in time what it had to say."""


class NoiseError(ChipError):
    """What comes from the chip makes no sense, again and again."""


class LeakError(ChipError):
    """The chip has lost all its buffers for sending, as it may when sockets are closed."""


class PowerOffError(ChipError):
    """The chip is off, or was switched off."""


class CommandError(Exception):
    """The chip said no. `code`: a `Code`, or another number below zero."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: the chip says {code}")
        self.code = code
