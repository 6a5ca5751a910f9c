"""The states of one substream and its target, as a table.

              _pls_connect          target connected            device ends
    WAITING --------------> OPENING -------------> RELAYING ---------------> DEVICE_ENDED
                                                      |                           |
                                                      | target ends, halfclose/1  | target ends
                                                      v        device ends        v
                                                 TARGET_ENDED ---------------> CLOSED

From each state any failure leads to CLOSED, and so does the tunnel's end.
"""

from __future__ import annotations

from enum import Enum, auto


class RelayState(Enum):
    """The states of one substream and its target."""

    __hash__ = object.__hash__  # Enum's own is a Python call per look-up

    WAITING = auto()  # for _pls_connect
    OPENING = auto()
    RELAYING = auto()
    DEVICE_ENDED = auto()  # only the target sends
    TARGET_ENDED = auto()  # only the device sends
    CLOSED = auto()


class RelayInput(Enum):
    """The events that change the state of a substream."""

    __hash__ = object.__hash__  # Enum's own is a Python call per look-up

    CONNECT = auto()
    CONNECTED = auto()
    DEVICE_END = auto()
    TARGET_END = auto()
    CLOSE = auto()


TRANSITIONS: dict[RelayState, dict[RelayInput, RelayState]] = {
    RelayState.WAITING: {
        RelayInput.CONNECT: RelayState.OPENING,
        RelayInput.CLOSE: RelayState.CLOSED,
    },
    RelayState.OPENING: {
        RelayInput.CONNECTED: RelayState.RELAYING,
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
