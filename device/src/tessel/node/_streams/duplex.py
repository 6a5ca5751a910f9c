"""A stream that can be read and written."""

from __future__ import annotations

from tessel.node._streams import readable, writable
from tessel.node._streams.readable import Readable
from tessel.node._streams.writable import Writable


class Duplex(Readable, Writable):
    """A stream that can be read and written.

    With `allow_half_open=False` the writing half ends when the reading half has ended.
    """

    def __init__(
        self,
        *,
        allow_half_open: bool = True,
        readable_high_water_mark: int = readable.HIGH_WATER_MARK,
        writable_high_water_mark: int = writable.HIGH_WATER_MARK,
    ) -> None:
        super().__init__(high_water_mark=readable_high_water_mark)
        self.writable_high_water_mark = writable_high_water_mark
        self.allow_half_open = allow_half_open

    def _emit_end(self) -> None:
        super()._emit_end()
        if self.readable_ended and not self.allow_half_open:
            self.end()
