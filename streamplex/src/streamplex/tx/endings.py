"""Texts for the reasons why a connection ended, for log lines and errors."""

from __future__ import annotations

import os
from typing import Final

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure

_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (error.ConnectionDone, "the connection was closed"),
    (error.ConnectionAborted, "this side cut the connection"),
    (error.ConnectionLost, "the connection broke"),
    (error.ConnectionRefusedError, "the connection was refused"),
    (error.DNSLookupError, "the name does not resolve"),
    (error.TCPTimedOutError, "no answer to the connection attempt"),
    (error.TimeoutError, "timeout"),
    (SSL.SysCallError, "the connection broke during TLS"),
)
"""The first class that fits counts, so subclasses precede their bases."""


def in_words(reason: Failure) -> str:
    """Return the reason why a connection ended as one clause without a full stop."""
    return error_in_words(reason.value)


def error_in_words(fault: BaseException | None) -> str:
    """Return a description of an exception as one clause without a full stop."""
    for kind, words in _WORDS:
        if isinstance(fault, kind):
            return words
    if isinstance(fault, SSL.Error):
        return f"TLS failed: {openssl_reasons(fault) or 'no reason given'}"
    if isinstance(fault, error.ConnectError) and fault.osError is not None:
        return os.strerror(fault.osError)
    return str(fault).rstrip(".") or type(fault).__name__


def openssl_reasons(fault: SSL.Error) -> str:
    """Return the reasons in an OpenSSL error, joined by commas; empty if it has none."""
    queue = fault.args[0] if fault.args else None
    return ", ".join(str(entry[-1]) for entry in queue) if isinstance(queue, list) else ""
