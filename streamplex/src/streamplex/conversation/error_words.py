"""The error codes in the error texts of the conversation.

They are the codes of Node, because programs compare them.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class VerifyError(NamedTuple):
    """The reason why TLS does not accept a certificate: Node's error code and OpenSSL's text."""

    code: str
    text: str


WRONG_NAME = VerifyError(
    "ERR_TLS_CERT_ALTNAME_INVALID", "Hostname/IP does not match certificate's altnames"
)
"""The certificate is valid, but not for the host to which the program connects."""

_VERIFY_ERRORS = {
    2: VerifyError("UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate"),
    4: VerifyError("UNABLE_TO_DECRYPT_CERT_SIGNATURE", "unable to decrypt certificate's signature"),
    6: VerifyError("UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY", "unable to decode issuer public key"),
    7: VerifyError("CERT_SIGNATURE_FAILURE", "certificate signature failure"),
    9: VerifyError("CERT_NOT_YET_VALID", "certificate is not yet valid"),
    10: VerifyError("CERT_HAS_EXPIRED", "certificate has expired"),
    13: VerifyError(
        "ERROR_IN_CERT_NOT_BEFORE_FIELD", "format error in certificate's notBefore field"
    ),
    14: VerifyError(
        "ERROR_IN_CERT_NOT_AFTER_FIELD", "format error in certificate's notAfter field"
    ),
    18: VerifyError("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
    19: VerifyError("SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"),
    20: VerifyError("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate"),
    21: VerifyError("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"),
    22: VerifyError("CERT_CHAIN_TOO_LONG", "certificate chain too long"),
    23: VerifyError("CERT_REVOKED", "certificate revoked"),
    24: VerifyError("INVALID_CA", "invalid CA certificate"),
    25: VerifyError("PATH_LENGTH_EXCEEDED", "path length constraint exceeded"),
    26: VerifyError("INVALID_PURPOSE", "unsuitable certificate purpose"),
    27: VerifyError("CERT_UNTRUSTED", "certificate not trusted"),
    28: VerifyError("CERT_REJECTED", "certificate rejected"),
}
"""X509_V_ERR_* of OpenSSL (x509_vfy.h) -> the word of Node's `X509ErrorCode` and the text of
OpenSSL's `X509_verify_cert_error_string`."""

# Node's word for every number that its own table does not have.
_UNSPECIFIED = "UNSPECIFIED"

_CODE_WORD = re.compile(
    r"\b(E[A-Z][A-Z_]{2,}|(?:CERT|ERR|UNABLE|DEPTH|SELF)_[A-Z0-9_]+|"
    rf"{'|'.join(error.code for error in _VERIFY_ERRORS.values())}|{_UNSPECIFIED})\b"
)


def verify_error(number: int) -> VerifyError:
    """Return Node's error code and OpenSSL's text for the number of an X509_V_ERR_* error.

    An unknown number gives the code `UNSPECIFIED`.
    """
    unknown = VerifyError(_UNSPECIFIED, f"certificate verification error {number}")
    return _VERIFY_ERRORS.get(number, unknown)


def error_code(message: str) -> str | None:
    """Return the first error code in an error text, such as `ECONNREFUSED`. None: there is none."""
    found = _CODE_WORD.search(message)
    return found[1] if found else None
