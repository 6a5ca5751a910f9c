"""Errors as the channel carries them: NodeError -> JSON, and what JavaScript makes of it."""

from __future__ import annotations

from tessel.errors import NodeError
from tessel.javascript.frames import Fields


def error_fields(error: NodeError) -> Fields:
    """Return the fields of an error. JavaScript makes an Error with Node's members of them."""
    fields: dict[str, object] = {"message": str(error), "code": error.code}
    if error.hint is not None:
        fields["hint"] = error.hint
    return fields
