"""TLS on the channel: JSON -> TlsOptions, and what programs ask afterwards -> JSON."""

from __future__ import annotations

import base64

from tessel.javascript import call_fields
from tessel.javascript.channel import BadCallError
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.network.interface import ISecured, TlsOptions


def tls_options(value: object) -> TlsOptions:
    """Return the TLS options of a `connect`; raises BadCallError for fields of a wrong type."""
    if not isinstance(value, dict):
        raise BadCallError(f"connect: tls is {value!r}; allowed: an object")
    reject = None if value.get("reject") is None else call_fields.flag(value, "reject")
    return TlsOptions(
        ca=_pem_texts(value.get("ca")),
        servername=call_fields.text_or_none(value, "servername"),
        reject_unauthorized=reject,
    )


def _pem_texts(value: object) -> tuple[bytes, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadCallError("connect: tls.ca; allowed: a list of texts")
    return tuple(one.encode() for one in value)


def tls_facts(secured: ISecured | None) -> Fields | None:
    """Return what a program may ask about its TLS; None if the device does not do the TLS."""
    if secured is None:
        return None
    error = secured.authorization_error
    cipher = secured.cipher()
    return {
        "authorized": secured.authorized,
        "error": None if error is None else error_fields(error),
        "chain": [base64.b64encode(der).decode() for der in secured.peer_certificate_chain()],
        "protocol": secured.protocol_version(),
        "cipher": cipher and [cipher.name, cipher.standard_name, cipher.version],
    }
