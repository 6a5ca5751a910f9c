"""`finished` and `pipeline`: a callback for the end of one stream, or of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from tessel.errors import NodeError
from tessel.node._streams.base import Stream
from tessel.node._streams.readable import Readable
from tessel.node._streams.writable import Writable
from tessel.node.base.arguments import ArgumentTypeError, Callback, callback


def finished(stream: Stream, when_done: Callback) -> Callable[[], None]:
    """Call `when_done` once, when a stream has ended or failed.

    Args:
        stream: the stream. It has ended when all of it is read and written.
        when_done: called without arguments, or with the error.

    Returns:
        A function that removes the callback.
    """
    return _Ending(stream, callback(when_done)).forget


class _Ending:
    def __init__(self, stream: Stream, when_done: Callback) -> None:
        self._stream = stream
        self._when_done: Callback | None = when_done
        for event, listener in self._listeners():
            stream.on(event, listener)
        if stream.closed:
            stream._runtime.next_tick(self._closed)  # noqa: SLF001 - a stream's own room

    def forget(self) -> None:
        self._when_done = None
        for event, listener in self._listeners():
            self._stream.off(event, listener)

    def _listeners(self) -> list[tuple[str, Callback]]:
        return [
            ("end", self._half_over),
            ("finish", self._half_over),
            ("error", self._over),
            ("close", self._closed),
        ]

    def _half_over(self) -> None:
        if _is_whole(self._stream):
            self._over()

    def _closed(self, *_: object) -> None:
        whole = _is_whole(self._stream)
        premature = NodeError("Premature close", "ERR_STREAM_PREMATURE_CLOSE")
        self._over(self._stream.errored or (None if whole else premature))

    def _over(self, error: BaseException | None = None) -> None:
        when_done = self._when_done
        self.forget()
        if when_done is not None:
            when_done(*([] if error is None else [error]))


def _is_whole(stream: Stream) -> bool:
    read = not isinstance(stream, Readable) or stream.readable_ended
    written = not isinstance(stream, Writable) or stream.writable_finished
    return read and written


def pipeline(*streams: object) -> Stream:
    """Pipe each stream into the next: `pipeline(source, ..., destination, callback)`.

    If one fails, all are destroyed. The callback is called with the first error, or without
    arguments when all streams have ended.

    Returns:
        The last stream.

    Raises:
        NodeError: there are fewer than two streams, or an argument has the wrong type.
    """
    *given, when_done = streams
    ends = _Pipeline([_stream(one) for one in given], callback(when_done))
    return ends.start()


def _stream(given: object) -> Stream:
    if isinstance(given, Stream):
        return given
    raise ArgumentTypeError("stream", "a stream", given)


class _Pipeline:
    def __init__(self, streams: list[Stream], when_done: Callback) -> None:
        if len(streams) < 2:  # noqa: PLR2004 - a source and a destination
            raise NodeError('The "streams" argument must be specified', "ERR_MISSING_ARGS")
        self._streams = streams
        self._when_done: Callback | None = when_done
        self._left = len(streams)

    def start(self) -> Stream:
        for stream in self._streams:
            finished(stream, self._one_over)
        for source, destination in zip(self._streams, self._streams[1:], strict=False):
            cast("Readable", source).pipe(cast("Writable", destination))
        return self._streams[-1]

    def _one_over(self, error: BaseException | None = None) -> None:
        self._left -= 1
        if error is not None:
            self._tell(error)
            for stream in self._streams:
                stream.on("error", _heard)  # so that only the callback gets the error
                stream.destroy()
        elif not self._left:
            self._tell()

    def _tell(self, *error: BaseException) -> None:
        when_done, self._when_done = self._when_done, None
        if when_done is not None:
            when_done(*error)


def _heard(_: object) -> None:
    """Ignore the error: the callback has it."""
