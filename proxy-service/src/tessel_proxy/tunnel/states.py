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


class SessionState(Enum):
    UNAUTHENTICATED = auto()
    CHECKING = auto()
    OPEN = auto()
    CLOSED = auto()


class SessionInput(Enum):
    TOKEN = auto()
    RIGHT = auto()
    WRONG = auto()
    CLOSE = auto()


TRANSITIONS: dict[SessionState, dict[SessionInput, SessionState]] = {
    SessionState.UNAUTHENTICATED: {
        SessionInput.TOKEN: SessionState.CHECKING,
        SessionInput.CLOSE: SessionState.CLOSED,
    },
    SessionState.CHECKING: {
        SessionInput.RIGHT: SessionState.OPEN,
        SessionInput.WRONG: SessionState.UNAUTHENTICATED,
        SessionInput.CLOSE: SessionState.CLOSED,
    },
    SessionState.OPEN: {SessionInput.CLOSE: SessionState.CLOSED},
    SessionState.CLOSED: {},
}
