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
    """The states of a session: what the proxy does with messages and substreams of the device."""

    UNAUTHENTICATED = auto()
    CHECKING = auto()
    OPEN = auto()
    CLOSED = auto()


class SessionInput(Enum):
    """The events that change a session's state: token sent, accepted or refused; tunnel closed."""

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


def stage_of(state: SessionState, *, secured: bool) -> str:
    """Return the state in the operator's words: handshake, closing, or the SessionState's name.

    `secured`: whether the TLS handshake is complete.
    """
    match state:
        case SessionState.OPEN:  # first: each watched second asks every tunnel
            return "open"
        case SessionState.UNAUTHENTICATED if not secured:
            return "handshake"
        case SessionState.CLOSED:
            return "closing"
        case _:
            return state.name.lower()
