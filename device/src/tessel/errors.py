"""What goes wrong on the device, in the words that programs written for Node match on.

A program looks at `error.code` ("ECONNREFUSED"); a person reads `str(error)`
("connect ECONNREFUSED 127.0.0.1:80").
"""

from __future__ import annotations


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


class BoardError(Exception):
    """The board was not used as it must be: no power, or power twice."""
