"""Errors with Node's codes and texts.

A program compares `error.code` ("ECONNREFUSED"); `str(error)` is for people
("connect ECONNREFUSED 127.0.0.1:80").
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class NodeError(Exception):
    """An error with the code and the text that Node would report.

    `code` is Node's error code. `opened_at` is the program's source line that opened the failed
    connection, and `hint` a sentence that may help; None: unknown. The text contains neither of
    them, because programs compare it.

    `details` has further properties that Node gives to some errors, by Node's name. A certificate
    of another host: `host`, `reason` and `cert` (here DER). An error of TLS: `library` and
    `reason`, in OpenSSL's words.
    """

    code: str
    opened_at: str | None = None
    hint: str | None = None
    details: Mapping[str, object] = MappingProxyType({})

    def __init__(self, message: str, code: str) -> None:
        """Create an error with Node's text and code."""
        super().__init__(message)
        self.code = code

    def again(self) -> NodeError:
        """Return a new NodeError for another socket: same text, code, hint and details."""
        copy = NodeError(str(self), self.code)
        copy.hint = self.hint
        copy.details = self.details
        return copy


class ProxyUnreachedError(NodeError):
    """No tunnel could be opened: the proxy was not reached, or did not answer.

    The code is that of the attempt to reach the proxy, and says nothing about a target.
    """

    def again(self) -> NodeError:
        """Return a copy of the error for another socket."""
        copy = ProxyUnreachedError(str(self), self.code)
        copy.hint = self.hint
        copy.details = self.details
        return copy


class BoardError(Exception):
    """A call needs a board but none is on, or a second board is switched on."""
