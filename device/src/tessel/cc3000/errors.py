"""Errors of the driver, from the chip's sockets down to its pins."""

from __future__ import annotations


class FrameError(ValueError):
    """Raised for bytes that neither a CC3000 nor its host would send: noise or bad wiring."""


class ChipError(Exception):
    """Base class: the chip is lost. It answers no commands, and its sockets are gone."""


class BusError(ChipError):
    """Raised when a pin or transfer fails: no device, no permission, or a loose cable."""


class SilentError(ChipError):
    """Raised when the chip does not answer in time."""


class NoiseError(ChipError):
    """Raised when the chip's answer is unreadable, or several packets in a row are."""


class LeakError(ChipError):
    """Raised when the chip has lost all its send buffers, as after closing sockets."""


class PowerOffError(ChipError):
    """Raised when a command needs a chip that is off, or was switched off meanwhile."""


class CommandError(Exception):
    """Raised when the chip answers a command with an error.

    `code` is a `Code` or another negative number.
    """

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: the chip answered {code}")
        self.code = code
