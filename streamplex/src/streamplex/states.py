"""The half-close states of one substream, as a table of transitions.

                 we end                        the peer ends
    OPEN ---------------------> LOCAL_ENDED ----------------> ENDED
      |        the peer ends                     we end         ^
      +-----------------------> REMOTE_ENDED -------------------+

An input that the table does not list breaks the protocol. If this side made it, it is a LocalError;
if the peer did, a RemoteError.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The half-close state of a substream: which of its two directions have ended.

    Code that runs for each message reads the attributes: up to Python 3.11, each look-up of a
    member such as `State.OPEN` costs as much as a call.
    """

    __hash__ = object.__hash__  # Enum's own is a Python function: slow in each table look-up

    OPEN = auto()
    LOCAL_ENDED = auto()
    REMOTE_ENDED = auto()
    ENDED = auto()

    local_ended: bool
    """Whether this side has sent, or queued, its `end`."""

    remote_ended: bool
    """Whether the peer has sent its `end`."""


# Not in an `__init__`: the compiled one rejects the members of a class that is not complete yet.
for _state in State:
    _state.local_ended = _state in (State.LOCAL_ENDED, State.ENDED)
    _state.remote_ended = _state in (State.REMOTE_ENDED, State.ENDED)


class Input(Enum):
    """An action of this side or the peer on a substream."""

    __hash__ = object.__hash__  # Enum's own is a Python function: slow in each table look-up

    SEND = auto()
    RECEIVE = auto()
    LOCAL_END = auto()
    REMOTE_END = auto()


TRANSITIONS: dict[State, dict[Input, State]] = {
    State.OPEN: {
        Input.SEND: State.OPEN,
        Input.RECEIVE: State.OPEN,
        Input.LOCAL_END: State.LOCAL_ENDED,
        Input.REMOTE_END: State.REMOTE_ENDED,
    },
    State.LOCAL_ENDED: {
        Input.RECEIVE: State.LOCAL_ENDED,
        Input.REMOTE_END: State.ENDED,
    },
    State.REMOTE_ENDED: {
        Input.SEND: State.REMOTE_ENDED,
        Input.LOCAL_END: State.ENDED,
    },
    State.ENDED: {},
}
