"""TLS on the channel: JSON -> TlsOptions, and the facts of an established TLS -> JSON.

Private keys and PKCS#12 pass the channel, which only the device and its child have. No error shows
their values.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TypeAlias

from tessel.javascript.channel import BadCallError
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.network.interface import ISecured, TlsOptions

_Given: TypeAlias = Mapping[str, object]


def tls_options(value: object) -> TlsOptions:
    """Return the TLS options of a `connect`; raises BadCallError for fields of a wrong type."""
    if not isinstance(value, dict):
        raise BadCallError(f"connect: tls is {type(value).__name__}; allowed: an object")
    passphrase = _text(value, "passphrase")
    return TlsOptions(
        ca=_texts(value, "ca"),
        extra_ca=_texts(value, "extraCa"),
        servername=_text(value, "servername"),
        reject_unauthorized=_flag(value, "reject"),
        check_name=_flag(value, "checkName") is not False,
        cert=_texts(value, "cert"),
        key=_texts(value, "key"),
        pfx=_stores(value),
        passphrase=None if passphrase is None else _utf8("passphrase", passphrase),
        alpn_protocols=_protocols(value),
        min_version=_text(value, "minVersion"),
        max_version=_text(value, "maxVersion"),
        ciphers=_text(value, "ciphers"),
    )


def _text(given: _Given, name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, value, "text")
    return value


def _flag(given: _Given, name: str) -> bool | None:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, value, "true, false")
    return value


def _list(given: _Given, name: str) -> list[str] | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong(name, value, "a list of texts")
    return value


def _texts(given: _Given, name: str) -> tuple[bytes, ...] | None:
    texts = _list(given, name)
    return None if texts is None else tuple(_utf8(name, one) for one in texts)


def _utf8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadCallError(f"connect: tls.{name} is not UTF-8: {error.reason}") from error


def _stores(given: _Given) -> tuple[bytes, ...] | None:
    """Return the PKCS#12 stores, which come in base64."""
    texts = _list(given, "pfx")
    try:
        return (
            None if texts is None else tuple(base64.b64decode(one, validate=True) for one in texts)
        )
    except (binascii.Error, ValueError) as error:
        raise BadCallError(f"connect: tls.pfx is not base64: {error}") from error


def _protocols(given: _Given) -> tuple[bytes, ...] | None:
    """Return the names of protocols, whose bytes come as the characters of latin-1."""
    texts = _list(given, "alpn")
    try:
        return None if texts is None else tuple(one.encode("latin-1") for one in texts)
    except UnicodeEncodeError as error:
        raise BadCallError(f"connect: tls.alpn is not latin-1: {error.reason}") from error


def _wrong(name: str, value: object, allowed: str) -> BadCallError:
    return BadCallError(f"connect: tls.{name} is {type(value).__name__}; allowed: {allowed}")


def tls_facts(secured: ISecured | None) -> Fields | None:
    """Return the facts about the TLS; None if the device does not do the TLS."""
    if secured is None:
        return None
    error, cipher = secured.authorization_error, secured.cipher()
    own, key, alpn = secured.own_certificate(), secured.ephemeral_key(), secured.alpn_protocol()
    return {
        "error": None if error is None else error_fields(error),
        "chain": [_base64(der) for der in _certificates(secured)],
        "own": None if own is None else _base64(own),
        "protocol": secured.protocol_version(),
        "cipher": cipher and [cipher.name, cipher.standard_name, cipher.version],
        "ephemeral": key and [key.kind, key.name, key.size],
        "alpn": None if alpn is None else alpn.decode("latin-1"),
        "reused": secured.session_reused(),
    }


def _certificates(secured: ISecured) -> list[bytes]:
    """Return the target's certificate first, then all that may be its issuers, each once."""
    found = [*secured.peer_certificate_chain(), *secured.verified_certificate_chain()]
    return list(dict.fromkeys(found))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
