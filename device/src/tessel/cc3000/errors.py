"""Errors of the driver, from the chip's sockets down to its pins."""

from __future__ import annotations


class FrameError(ValueError):
    """Bytes that neither a CC3000 nor its host would send: noise, or a wrong wire."""


class ChipError(Exception):
    """The chip is lost: it will not answer its commands, and its sockets are gone."""


class BusError(ChipError):
    """The machine could not move a pin or a byte: no device, no permission, or a loose cable."""


class SilentError(ChipError):
    """The chip did not answer in time."""


class NoiseError(ChipError):
    """The chip sent several packets in a row that make no sense."""


class LeakError(ChipError):
    """The chip has lost all its buffers for sending, which may happen when sockets are closed."""


class PowerOffError(ChipError):
    """The chip is off, or was switched off."""


class CommandError(Exception):
    """The chip answered a command with an error. `code` is a `Code` or another negative number."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: the chip answered {code}")
        self.code = code
