"""The states of the receiving half (Reading) and the sending half (Writing) of a substream.

Reading   WAITING --attach--> OPEN --discard--> DISCARDING --reset--> RESET --lose--> LOST
Writing   OPEN --ask--> ENDING --end--> ENDED --sent--> SENT --release--> RELEASED

Each arrow may also skip states to the right; nothing leads back. Release is possible in each state,
so it is no input of the table: `Substream` sets RELEASED itself.
"""

from __future__ import annotations

from enum import Enum, auto


class Reading(Enum):
    """The states of the receiving half: which data and events the substream's protocol receives.

    Code that runs for each message reads the attributes: up to Python 3.11, each look-up of a
    member such as `Reading.OPEN` costs as much as a call. The same holds for `Writing`.
    """

    __hash__ = object.__hash__  # Enum's own is a Python function: slow in each table look-up

    WAITING = 0, True  # there is no protocol yet; everything is held for it
    OPEN = 1, True  # everything
    DISCARDING = 2, False  # events, no data
    RESET = 3, False  # the same, and the peer was asked to send no more
    LOST = 4, False  # nothing: connectionLost was called

    def __init__(self, number: int, wants_data: bool) -> None:
        del number
        self.wants_data = wants_data
        """Whether data is delivered, now or when there is a protocol."""
        self.is_open = self.name == "OPEN"
        self.is_lost = self.name == "LOST"


class ReadingInput(Enum):
    """An event that changes `Reading`."""

    __hash__ = object.__hash__

    ATTACH = auto()  # a protocol is given
    DISCARD = auto()  # the protocol wants no more data
    RESET = auto()  # and the peer is to send no more
    LOSE = auto()  # the substream is over for the protocol


class Writing(Enum):
    """The states of the sending half of a substream, from open to released."""

    __hash__ = object.__hash__

    OPEN = 0, False
    ENDING = 1, False  # asked for; it waits for the registered producer
    ENDED = 2, True  # queued behind all data
    SENT = 3, True  # it has left, and all data before it
    RELEASED = 4, True  # the number is freed: nothing can be queued any more

    def __init__(self, number: int, is_over: bool) -> None:
        del number
        self.is_over = is_over
        """Whether no more data can be queued."""
        self.is_sent = self.name == "SENT"
        self.is_released = self.name == "RELEASED"


class WritingInput(Enum):
    """An event that changes `Writing`."""

    __hash__ = object.__hash__

    ASK = auto()  # end when the producer is done
    END = auto()  # end now
    SENT = auto()  # everything queued has left


class Closing(Enum):
    """Whether and how this side has closed the substream."""

    NO = auto()
    CLOSED = auto()
    ABORTED = auto()


READING: dict[Reading, dict[ReadingInput, Reading]] = {
    Reading.WAITING: {
        ReadingInput.ATTACH: Reading.OPEN,
        ReadingInput.DISCARD: Reading.DISCARDING,
        ReadingInput.RESET: Reading.RESET,
        ReadingInput.LOSE: Reading.LOST,
    },
    Reading.OPEN: {
        ReadingInput.DISCARD: Reading.DISCARDING,
        ReadingInput.RESET: Reading.RESET,
        ReadingInput.LOSE: Reading.LOST,
    },
    Reading.DISCARDING: {
        ReadingInput.ATTACH: Reading.DISCARDING,
        ReadingInput.DISCARD: Reading.DISCARDING,
        ReadingInput.RESET: Reading.RESET,
        ReadingInput.LOSE: Reading.LOST,
    },
    Reading.RESET: {
        ReadingInput.ATTACH: Reading.RESET,
        ReadingInput.DISCARD: Reading.RESET,
        ReadingInput.LOSE: Reading.LOST,
    },
    Reading.LOST: {
        ReadingInput.ATTACH: Reading.LOST,
        ReadingInput.DISCARD: Reading.LOST,
    },
}

WRITING: dict[Writing, dict[WritingInput, Writing]] = {
    Writing.OPEN: {
        WritingInput.ASK: Writing.ENDING,
        WritingInput.END: Writing.ENDED,
    },
    Writing.ENDING: {
        WritingInput.ASK: Writing.ENDING,
        WritingInput.END: Writing.ENDED,
    },
    Writing.ENDED: {
        WritingInput.ASK: Writing.ENDED,
        WritingInput.END: Writing.ENDED,
        WritingInput.SENT: Writing.SENT,
    },
    Writing.SENT: {
        WritingInput.ASK: Writing.SENT,
        WritingInput.END: Writing.SENT,
    },
    Writing.RELEASED: {
        WritingInput.ASK: Writing.RELEASED,
        WritingInput.END: Writing.RELEASED,
    },
}
