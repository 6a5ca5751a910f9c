"""Errors on the channel: NodeError -> the JSON from which JavaScript makes an Error."""

from __future__ import annotations

import base64

from tessel.errors import NodeError
from tessel.javascript.frames import Fields


def error_fields(error: NodeError) -> Fields:
    """Return the fields of an error. JavaScript makes an Error with Node's members of them."""
    fields: dict[str, object] = {"message": str(error), "code": error.code}
    if error.hint is not None:
        fields["hint"] = error.hint
    if error.details:
        fields["details"] = {name: _shown(value) for name, value in error.details.items()}
    return fields


def _shown(value: object) -> object:
    """Return a property as JSON can carry it: bytes, such as a certificate in DER, as base64."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
