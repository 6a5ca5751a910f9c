"""The parts that the first messages of device and proxy share: the features and the window."""

from __future__ import annotations

from typing import Final

from streamplex.credit import FIRST_WINDOW_BYTES, MAX_CREDIT_BYTES
from streamplex.features import (
    CREDIT,
    DEVICE,
    GOAWAY,
    HALFCLOSE,
    MESSAGE,
    PING,
    REASON,
    RETRY,
    REUSE,
)
from streamplex.jsontext import Json

FEATURES = (REUSE, HALFCLOSE, RETRY, REASON, DEVICE, GOAWAY, PING, CREDIT, MESSAGE)
"""Every feature of this library, in the order in which the proxy lists them."""

_KNOWN: Final = frozenset(FEATURES)

_shared: dict[frozenset[str], frozenset[str]] = {}
"""One set for all tunnels with the same features, because each set takes 700 bytes. Only sets of
known names are kept, so that peers cannot fill it: there are 512 of them."""


def shared(names: frozenset[str]) -> frozenset[str]:
    """Return an equal set, which is the same for all tunnels if all its names are known."""
    return _shared.setdefault(names, names) if names <= _KNOWN else names


def common_features(offered_by_peer: frozenset[str] | None) -> frozenset[str]:
    """Return the features that both the peer and this library support; None: it offers none."""
    return shared(_KNOWN & (offered_by_peer or frozenset()))


def offered(first_object: Json) -> frozenset[str]:
    """Return the names of the features in a peer's first object; empty if it has no list of them.

    Names that this library does not know are included. List entries that are not text are ignored.
    """
    names = first_object.get("features") if isinstance(first_object, dict) else None
    if not isinstance(names, list):
        return frozenset()
    return shared(frozenset(name for name in names if isinstance(name, str)))


def first_window(first_object: Json) -> int:
    """Return the bytes that this side may send on each new substream, by a peer's first object.

    Without a usable number in the object, FIRST_WINDOW_BYTES is returned.
    """
    window = first_object.get("window") if isinstance(first_object, dict) else None
    if window == FIRST_WINDOW_BYTES:
        return FIRST_WINDOW_BYTES  # the constant itself: most tunnels need no integer of their own
    if type(window) is int and 0 <= window <= MAX_CREDIT_BYTES:  # isinstance would accept booleans
        return window
    return FIRST_WINDOW_BYTES
