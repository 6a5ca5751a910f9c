"""The half-close of one substream, as a table.

                 we end                        the peer ends
    OPEN ---------------------> LOCAL_ENDED ----------------> ENDED
      |        the peer ends                     we end         ^
      +-----------------------> REMOTE_ENDED -------------------+

An input that the table does not have is the fault of whoever made it.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Which directions of a substream still flow."""

    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

    OPEN = auto()
    LOCAL_ENDED = auto()
    REMOTE_ENDED = auto()
    ENDED = auto()

    @property
    def local_ended(self) -> bool:
        """This side has said that it will send no more data."""
        return self in (State.LOCAL_ENDED, State.ENDED)

    @property
    def remote_ended(self) -> bool:
        """The peer has said that it will send no more data."""
        return self in (State.REMOTE_ENDED, State.ENDED)


class Input(Enum):
    """What moves a substream on."""

    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

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
