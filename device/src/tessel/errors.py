"""Errors with Node's codes and texts.

A program compares `error.code` ("ECONNREFUSED"); `str(error)` is for people
("connect ECONNREFUSED 127.0.0.1:80").
"""

from __future__ import annotations


class NodeError(Exception):
    """An error with Node's code and text.

    Attributes: `code`; `opened_at`, the program's line that opened the failed connection; `hint`,
    a sentence that may help. They are not part of the text because programs compare that.
    """

    code: str
    opened_at: str | None = None
    hint: str | None = None

    def __init__(self, message: str, code: str) -> None:
        """Create an error with Node's text and code."""
        super().__init__(message)
        self.code = code

    def again(self) -> NodeError:
        """Return a copy for another socket, with its own `opened_at`."""
        copy = NodeError(str(self), self.code)
        copy.hint = self.hint
        return copy


class BoardError(Exception):
    """The board is off, or another board is on."""
