"""`async for chunk in stream`, in coroutines run by Twisted (`Deferred.fromCoroutine`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from tessel.errors import NodeError
from tessel.node.base.encodings import Chunk

if TYPE_CHECKING:
    from tessel.node._streams.readable import Readable


class Chunks:
    """An asynchronous iterator over the chunks of a stream, for `async for`.

    It raises the stream's error, or NodeError if the stream is closed before its end.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._waiting: Deferred[None] | None = None
        self._error: BaseException | None = None
        self._over = stream.readable_ended or stream.destroyed
        stream.on("readable", self._wake)
        stream.on("end", self._ended)
        stream.on("error", self._failed)
        stream.on("close", self._closed)

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Chunk:
        while True:
            chunk = self._stream.read()
            if chunk is not None:
                return chunk
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            self._waiting = Deferred()
            await self._waiting

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _ended(self) -> None:
        self._over = True
        self._wake()

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self._wake()

    def _closed(self, *_: object) -> None:
        if not self._over and self._error is None:
            self._error = NodeError("Premature close", "ERR_STREAM_PREMATURE_CLOSE")
        self._wake()
