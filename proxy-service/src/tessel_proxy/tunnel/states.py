"""The states of a session, as a table: from an unauthenticated peer to an open tunnel.

                        token                      right
    UNAUTHENTICATED --------------> CHECKING -------------> OPEN
            ^                          |
            +--------------------------+
              refused, or not checked

Each state leads to CLOSED when the device or the proxy ends the tunnel.
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
