"""What has happened to one substream and its target so far, as a table.

              _pls_connect          target stands             device ends
    WAITING --------------> OPENING -------------> RELAYING ---------------> DEVICE_ENDED
                                                      |                           |
                                                      | target ends, halfclose/1  | target ends
                                                      v        device ends        v
                                                 TARGET_ENDED ---------------> CLOSED

From each state anything that goes wrong leads to CLOSED, and so does the tunnel's end.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

    WAITING = auto()  # for the device to say where to
    OPENING = auto()
    RELAYING = auto()
    DEVICE_ENDED = auto()  # from the target to the device alone
    TARGET_ENDED = auto()  # from the device to the target alone
    CLOSED = auto()


class Input(Enum):
    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

    CONNECT = auto()
    STANDS = auto()
    DEVICE_END = auto()
    TARGET_END = auto()
    CLOSE = auto()


TRANSITIONS: dict[State, dict[Input, State]] = {
    State.WAITING: {Input.CONNECT: State.OPENING, Input.CLOSE: State.CLOSED},
    State.OPENING: {Input.STANDS: State.RELAYING, Input.CLOSE: State.CLOSED},
    State.RELAYING: {
        Input.DEVICE_END: State.DEVICE_ENDED,
        Input.TARGET_END: State.TARGET_ENDED,
        Input.CLOSE: State.CLOSED,
    },
    State.DEVICE_ENDED: {Input.CLOSE: State.CLOSED},
    State.TARGET_ENDED: {Input.CLOSE: State.CLOSED},
    State.CLOSED: {},
}
