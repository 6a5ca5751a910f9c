"""The chips that a user can choose: quirks and latencies under one name."""

from __future__ import annotations

from dataclasses import dataclass

from tessel.emulator.latencies import MEASURED, Latencies
from tessel.emulator.quirks import IDEAL, Quirks


@dataclass(frozen=True, slots=True)
class Profile:
    """The quirks and the delays of one kind of emulated chip."""

    quirks: Quirks
    latencies: Latencies


DEFAULT = "cc3000"

PROFILES = {
    "ideal": Profile(IDEAL, Latencies()),
    "cc3000": Profile(Quirks(), Latencies()),
    # Nagle's algorithm only costs time, so the profile without latencies does not use it.
    "cc3000-real-time": Profile(Quirks(nagle=True), MEASURED),
}
