"""Names of the negotiated extensions, and how both ends agree on them.

A feature is on when both ends name it. A peer that does not send the key `features`
gets the original protocol to the letter.
"""

from __future__ import annotations

from streamplex.credit import FIRST_WINDOW_BYTES, MAX_CREDIT_BYTES
from streamplex.jsontext import Json

REUSE = "reuse/1"
"""Channel numbers may be used again."""

HALFCLOSE = "halfclose/1"
"""A target's `end` leaves the other direction of a `net` substream open."""

RETRY = "retry/1"
"""A refusal of the token says whether trying again makes sense."""

REASON = "reason/1"
"""A refusal says why; and so does the end of a tunnel whose token is no longer accepted."""

DEVICE = "device/1"
"""The device tells its name along with the token."""

GOAWAY = "goaway/1"
"""The server tells the device to open nothing new here, and when to make its next tunnel."""

PING = "ping/1"
"""A peer that says nothing is asked whether it is still there."""

CREDIT = "credit/1"
"""Flow control for each direction of each substream."""


def offered(first_object: Json) -> frozenset[str]:
    """The features that a peer's first object names; what is not a name is passed over."""
    names = first_object.get("features") if isinstance(first_object, dict) else None
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))


def first_window(first_object: Json) -> int:
    """The bytes that a peer's first object lets this side send on each new substream.

    What is no number of bytes counts as unsaid.
    """
    window = first_object.get("window") if isinstance(first_object, dict) else None
    if type(window) is int and 0 <= window <= MAX_CREDIT_BYTES:  # a boolean is no number here
        return window
    return FIRST_WINDOW_BYTES
