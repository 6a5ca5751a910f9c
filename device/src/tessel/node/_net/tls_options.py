"""The options of `tls.connect` that concern TLS: their names, their types, and Node's others."""

from __future__ import annotations

from collections.abc import Mapping

from tessel.network.interface import TlsOptions
from tessel.node.base import arguments
from tessel.node.base.arguments import ArgumentTypeError

_PEM = "PEM text"

TLS_ONLY = frozenset(
    {
        "ca",
        "servername",
        "reject_unauthorized",
        "cert",
        "key",
        "pfx",
        "passphrase",
        "alpn_protocols",
        "min_version",
        "max_version",
        "ciphers",
    }
)
"""The options of `tls.connect` that `net.connect` does not have."""

_OPENSSLS = "OpenSSL chooses it"
UNSUPPORTED_TLS_ONLY = {
    "secure_protocol": "use `min_version` and `max_version`",
    **dict.fromkeys(("sigalgs", "ecdh_curve"), _OPENSSLS),
    "honor_cipher_order": "it is an option of servers",
    "check_server_identity": "the certificate is checked before the program sees the connection",
    "secure_context": "pass its options to each connection",
    "session": "sessions are not resumed",
    "socket": "pass host and port: the socket is opened for you",
    "crl": "revocation lists are not read",
}
"""Options of Node that a device has not, each with the reason."""


def tls_options(options: Mapping[str, object]) -> TlsOptions:
    """Return the TLS options of a connection; raises NodeError for one of the wrong type."""
    return TlsOptions(
        ca=_texts(options, "ca", _PEM),
        servername=_text(options, "servername"),
        reject_unauthorized=arguments.flag_or_none(
            options.get("reject_unauthorized"), "options.reject_unauthorized"
        ),
        cert=_texts(options, "cert", _PEM),
        key=_texts(options, "key", _PEM),
        pfx=_texts(options, "pfx", "the bytes of a PKCS#12 file"),
        passphrase=_passphrase(options.get("passphrase")),
        alpn_protocols=_texts(options, "alpn_protocols", "a list of text"),
        min_version=_text(options, "min_version"),
        max_version=_text(options, "max_version"),
        ciphers=_text(options, "ciphers"),
    )


def _text(options: Mapping[str, object], name: str) -> str | None:
    return arguments.text_or_none(options.get(name), f"options.{name}")


def _texts(options: Mapping[str, object], name: str, expected: str) -> tuple[bytes, ...] | None:
    """Return the values of an option that takes one or several texts, as text or bytes."""
    value = options.get(name)
    if value is None:
        return None
    given = value if isinstance(value, list | tuple) else [value]
    return tuple(_bytes(one, name, expected) for one in given)


def _bytes(value: object, name: str, expected: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise ArgumentTypeError(f"options.{name}", expected, value)


def _passphrase(value: object) -> bytes | None:
    if value is None:
        return None
    return _bytes(value, "passphrase", "text")
