"""What records know of traces: an id for their closing log lines, and where steps are reported.

Records of tunnels that are not traced have none, so that they cost nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """A step that has its own span: the device's TLS handshake, and those that open a target."""

    HANDSHAKE = "handshake"
    LOOKUP = "lookup"
    DIAL = "dial"
    TLS = "tls"


class Trace(Protocol):
    """The trace that a tunnel or substream belongs to; `trace_id` has 32 hexadecimal digits."""

    @property
    def trace_id(self) -> str: ...


class StepTrace(Trace, Protocol):
    """The trace of a substream.

    `step` is called when a step of its opening has ended; times are seconds of the proxy's clock.
    """

    def step(self, step: Step, began: float, ended: float) -> None: ...
