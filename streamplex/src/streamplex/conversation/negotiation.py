"""The common parts of hello and answer: the list of features, and the window."""

from __future__ import annotations

from streamplex.credit import FIRST_WINDOW_BYTES, MAX_CREDIT_BYTES
from streamplex.features import CREDIT, DEVICE, GOAWAY, HALFCLOSE, PING, REASON, RETRY, REUSE
from streamplex.jsontext import Json

FEATURES = (REUSE, HALFCLOSE, RETRY, REASON, DEVICE, GOAWAY, PING, CREDIT)
"""Every feature of this library, in the order in which the proxy lists them."""


def offered(first_object: Json) -> frozenset[str]:
    """Return the features that a peer's first object names. Entries that are no text are ignored.

    Names that this library does not know are included.
    """
    names = first_object.get("features") if isinstance(first_object, dict) else None
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))


def first_window(first_object: Json) -> int:
    """Return the bytes that a peer's first object lets this side send on each new substream.

    Without a usable number it is FIRST_WINDOW_BYTES.
    """
    window = first_object.get("window") if isinstance(first_object, dict) else None
    if type(window) is int and 0 <= window <= MAX_CREDIT_BYTES:  # isinstance would accept booleans
        return window
    return FIRST_WINDOW_BYTES
