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


class RelayState(Enum):
    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

    WAITING = auto()  # for the device to say where to
    OPENING = auto()
    RELAYING = auto()
    DEVICE_ENDED = auto()  # from the target to the device alone
    TARGET_ENDED = auto()  # from the device to the target alone
    CLOSED = auto()


class RelayInput(Enum):
    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

    CONNECT = auto()
    STANDS = auto()
    DEVICE_END = auto()
    TARGET_END = auto()
    CLOSE = auto()


TRANSITIONS: dict[RelayState, dict[RelayInput, RelayState]] = {
    RelayState.WAITING: {
        RelayInput.CONNECT: RelayState.OPENING,
        RelayInput.CLOSE: RelayState.CLOSED,
    },
    RelayState.OPENING: {
        RelayInput.STANDS: RelayState.RELAYING,
        RelayInput.CLOSE: RelayState.CLOSED,
    },
    RelayState.RELAYING: {
        RelayInput.DEVICE_END: RelayState.DEVICE_ENDED,
        RelayInput.TARGET_END: RelayState.TARGET_ENDED,
        RelayInput.CLOSE: RelayState.CLOSED,
    },
    RelayState.DEVICE_ENDED: {RelayInput.CLOSE: RelayState.CLOSED},
    RelayState.TARGET_ENDED: {RelayInput.CLOSE: RelayState.CLOSED},
    RelayState.CLOSED: {},
}
