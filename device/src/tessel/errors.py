"""What goes wrong on the device, in the words that programs written for Node match on.

A program looks at `error.code` ("ECONNREFUSED"); a person reads `str(error)`
("connect ECONNREFUSED 127.0.0.1:80").
"""

from __future__ import annotations

import re

_CODE_WORD = re.compile(r"\b(E[A-Z][A-Z_]{2,}|(?:CERT|ERR|UNABLE|DEPTH|SELF)_[A-Z0-9_]+)\b")


class NodeError(Exception):
    """An error with Node's code word.

    What a person may need beside its text, on which programs match, stands apart from that: the
    line of the program that opened what failed, and what may help.
    """

    code: str
    opened_at: str | None = None
    hint: str | None = None

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code

    def again(self) -> NodeError:
        """The same for another socket: each notes on its own where it was opened."""
        copy = NodeError(str(self), self.code)
        copy.hint = self.hint
        return copy

    @classmethod
    def worded(cls, message: str) -> NodeError:
        """An error that came as text alone, as over the wire: its code word is looked for in it."""
        found = _CODE_WORD.search(message)
        return cls(message, found[1] if found else "ERR_PROXY")


class BoardError(Exception):
    """The board was not used as it must be: no power, or power twice."""
