"""Names of the negotiated extensions (docs/wire.md, "Extensions").

A feature is on when both ends name it in their first message. A peer that names none gets the
original protocol unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

REUSE = "reuse/1"
"""Channel numbers may be used again."""

HALFCLOSE = "halfclose/1"
"""A target's `end` leaves the other direction of a `net` substream open."""

RETRY = "retry/1"
"""A refusal of the token says whether trying again makes sense."""

REASON = "reason/1"
"""A refusal gives its reason, and so does the end of a tunnel whose token became invalid."""

DEVICE = "device/1"
"""The device sends its name along with the token."""

GOAWAY = "goaway/1"
"""The server asks the device to open no more substreams, and says when to connect again."""

PING = "ping/1"
"""Either side may ask a silent peer whether it is still there."""

MESSAGE = "message/1"
"""A refusal carries the operator's own words, and the time after which to come back."""

CREDIT = "credit/1"
"""Flow control for each direction of each substream."""


class Features:
    """A set of features that this side offers or that are turned on.

    `names` are all of them, `understood` those whose messages this side accepts. Only the server
    sends `goaway`, so the server passes `hears_goaway` as False: it does not accept that message.
    All tunnels with the same features share one object: see `features_of`.
    """

    __slots__ = ("names", "understood")

    def __init__(self, names: frozenset[str], *, hears_goaway: bool) -> None:
        self.names = names
        self.understood = names if hears_goaway else names - {GOAWAY}


def features_of(names: Iterable[str], *, hears_goaway: bool) -> Features:
    """Return the features with these names; see Features."""
    return _shared(frozenset(names), hears_goaway=hears_goaway)


# With one set of names for each tunnel, the sets alone would take 700 bytes of it.
_shared = lru_cache(maxsize=64)(Features)

NO_FEATURES: Final = features_of((), hears_goaway=False)
"""The features of a tunnel before the first messages."""
