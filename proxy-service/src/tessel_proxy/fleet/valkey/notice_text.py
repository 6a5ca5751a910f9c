"""Notices as text in the engine: JSON of the kind and the fields."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from tessel_proxy.fleet.engine import DeviceMoved, Notice, TokensRevoked, TunnelsEnded

_KINDS: Final[dict[str, type[Notice]]] = {
    "moved": DeviceMoved,
    "revoked": TokensRevoked,
    "ended": TunnelsEnded,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def dumped(notice: Notice) -> str:
    """Return a notice as text."""
    return json.dumps({"kind": _NAMES[type(notice)], **asdict(notice)}, separators=(",", ":"))


def loaded(text: bytes) -> Notice:
    """Return the notice that `dumped` has made of it.

    Raises ValueError for anything else, also for a kind of a later version.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict) or fields.get("kind") not in _KINDS:
        raise ValueError(f"no notice: {text[:80]!r}")
    kind = _KINDS[fields.pop("kind")]
    try:
        notice = kind(**fields)
    except TypeError as error:
        raise ValueError(f"no notice: {text[:80]!r}") from error
    if not all(isinstance(each, str) for each in fields.values() if each is not None):
        raise ValueError(f"no notice: {text[:80]!r}")
    return notice
