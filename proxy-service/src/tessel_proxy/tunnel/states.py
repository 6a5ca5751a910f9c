"""How far the proxy trusts the device of one tunnel, as a table.

                        token                      right
    UNAUTHENTICATED --------------> CHECKING -------------> OPEN
            ^                          |
            +--------------------------+
              wrong, or not to be checked now

From each state to CLOSED: by the tunnel's end, or by ours.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    UNAUTHENTICATED = auto()
    CHECKING = auto()
    OPEN = auto()
    CLOSED = auto()


class Input(Enum):
    TOKEN = auto()
    RIGHT = auto()
    WRONG = auto()
    CLOSE = auto()


TRANSITIONS: dict[State, dict[Input, State]] = {
    State.UNAUTHENTICATED: {Input.TOKEN: State.CHECKING, Input.CLOSE: State.CLOSED},
    State.CHECKING: {
        Input.RIGHT: State.OPEN,
        Input.WRONG: State.UNAUTHENTICATED,
        Input.CLOSE: State.CLOSED,
    },
    State.OPEN: {Input.CLOSE: State.CLOSED},
    State.CLOSED: {},
}
