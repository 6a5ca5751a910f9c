"""The errors of TLS with Node's codes: OpenSSL's reason, in the form that Node gives to it."""

from __future__ import annotations

import re

from OpenSSL import SSL
from twisted.python.failure import Failure

from tessel.errors import NodeError

SSL_ROUTINES = "SSL routines"  # the library of OpenSSL that speaks TLS
_RENAMED = re.compile("^(ssl/)?tls alert")  # by OpenSSL 3.2 and 4.0; programs know the old code
_UNNAMED = frozenset({"Provider routines", "DECODER routines"})  # libraries that Node's codes omit


class TlsError(NodeError):
    """An error of TLS itself: the peer does not speak it, or one side refused the other.

    Its details are `library` and `reason`, in OpenSSL's words. They may be missing.
    """


def tls_error(fault: SSL.Error, what: str) -> TlsError:
    """Return an error of OpenSSL with Node's code and details. `what` is the text before it."""
    library, reason = _last_reason(fault)
    error = TlsError(f"{what}{_all_reasons(fault)}", openssl_code(library, reason))
    error.details = {"library": library, "reason": reason} if reason else {}
    return error


def in_nodes_words(failure: Failure, what: str) -> Failure:
    """Return the failure as a TlsError if it is an error of OpenSSL, else as it is."""
    fault = failure.value
    return Failure(tls_error(fault, what)) if isinstance(fault, SSL.Error) else failure


def openssl_code(library: str, reason: str) -> str:
    """Return Node's code for a reason of one of OpenSSL's libraries; EPROTO for no reason.

    Example: "SSL routines", "wrong version number" gives ERR_SSL_WRONG_VERSION_NUMBER; other
    libraries give ERR_OSSL_ and their name.
    """
    if not reason:
        return "EPROTO"
    reason = _RENAMED.sub("sslv3 alert", reason)
    parts = ["ERR", "SSL" if library == SSL_ROUTINES else "OSSL"]
    if library != SSL_ROUTINES and library not in _UNNAMED:
        parts.append(library.removesuffix(" routines").removesuffix(" certificate"))
    return re.sub(r"[^A-Z0-9]+", "_", "_".join([*parts, reason]).upper())


def _reasons(fault: SSL.Error) -> list[tuple[str, str]]:
    """Return the libraries and reasons of an OpenSSL error; the last one is Node's."""
    queue = fault.args[0] if fault.args else None
    if not isinstance(queue, list):
        return []
    return [(str(entry[0]), str(entry[-1])) for entry in queue]


def _last_reason(fault: SSL.Error) -> tuple[str, str]:
    reasons = _reasons(fault)
    return reasons[-1] if reasons else ("", "")


def _all_reasons(fault: SSL.Error) -> str:
    reasons = "; ".join(reason for _library, reason in _reasons(fault) if reason)
    return reasons or f"OpenSSL gives no reason ({type(fault).__name__})"
