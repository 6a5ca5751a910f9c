"""Transform and PassThrough: streams whose output is made of their input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tessel.node._streams.base import Chunk, Done
from tessel.node._streams.duplex import Duplex
from tessel.node.base.arguments import callback_or_none

Answer: TypeAlias = Callable[..., None]  # (error=None, chunk=None)


class Transform(Duplex):
    """A stream that computes its output from its input.

    Override `_transform(chunk, answer)` and `_flush(answer)`, or pass such functions as `transform`
    and `flush`. Each must call `answer(error, chunk)` once. `flush` is called at the end of the
    input.
    """

    def __init__(
        self,
        *,
        transform: Callable[[bytes, Answer], object] | None = None,
        flush: Callable[[Answer], object] | None = None,
    ) -> None:
        super().__init__()
        self._given_transform = callback_or_none(transform, "transform")
        self._given_flush = callback_or_none(flush, "flush")
        self._waits_for_reader: Done | None = None

    def _transform(self, chunk: bytes, answer: Answer) -> None:
        if self._given_transform is None:
            raise NotImplementedError("override _transform, or pass transform=")
        self._given_transform(chunk, answer)

    def _flush(self, answer: Answer) -> None:
        if self._given_flush is None:
            answer()
        else:
            self._given_flush(answer)

    def _write(self, chunk: bytes, done: Done) -> None:
        def answer(error: BaseException | None = None, output: Chunk | None = None) -> None:
            if error is not None or output is None or self.push(output):
                done(error)
            else:
                self._waits_for_reader = done

        self._transform(chunk, answer)

    def _final(self, done: Done) -> None:
        def answer(error: BaseException | None = None, output: Chunk | None = None) -> None:
            if error is None:
                if output is not None:
                    self.push(output)
                self.push(None)
            done(error)

        self._flush(answer)

    def _read(self) -> None:
        done, self._waits_for_reader = self._waits_for_reader, None
        if done is not None:
            done(None)


class PassThrough(Transform):
    """A stream that passes its input on unchanged."""

    def _transform(self, chunk: bytes, answer: Answer) -> None:
        answer(None, chunk)
