"""`finished` and `pipeline`: what becomes of one stream, and of several that are piped."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from tessel.errors import NodeError
from tessel.node._streams.base import Stream
from tessel.node._streams.readable import Readable
from tessel.node._streams.writable import Writable
from tessel.node.base.arguments import ArgumentTypeError, callback

Told = Callable[..., object]


def finished(stream: Stream, told: Told) -> Callable[[], None]:
    """Call back once when the stream is over, with its error if it broke off.

    Call what is returned to be told nothing.
    """
    return _Ending(stream, callback(told)).forget


class _Ending:
    def __init__(self, stream: Stream, told: Told) -> None:
        self._stream = stream
        self._told: Told | None = told
        for event, listener in self._listeners():
            stream.on(event, listener)
        if stream.closed:
            stream._runtime.next_tick(self._closed)  # noqa: SLF001 - a stream's own room

    def forget(self) -> None:
        self._told = None
        for event, listener in self._listeners():
            self._stream.off(event, listener)

    def _listeners(self) -> list[tuple[str, Told]]:
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
        told = self._told
        self.forget()
        if told is not None:
            told(*([] if error is None else [error]))


def _is_whole(stream: Stream) -> bool:
    read = not isinstance(stream, Readable) or stream.readable_ended
    written = not isinstance(stream, Writable) or stream.writable_finished
    return read and written


def pipeline(*streams: object) -> Stream:
    """`pipeline(source, ..., destination, callback)`: pipe each into the next.

    If one breaks off all are destroyed. The callback gets the first error, or nothing when the
    last is finished. The last stream is returned.
    """
    *given, told = streams
    ends = _Pipeline([_stream(one) for one in given], callback(told))
    return ends.start()


def _stream(given: object) -> Stream:
    if isinstance(given, Stream):
        return given
    raise ArgumentTypeError("stream", "a stream", given)


class _Pipeline:
    def __init__(self, streams: list[Stream], told: Told) -> None:
        if len(streams) < 2:  # noqa: PLR2004 - a source and a destination
            raise NodeError('The "streams" argument must be specified', "ERR_MISSING_ARGS")
        self._streams = streams
        self._told: Told | None = told
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
                stream.on("error", _heard)  # the callback has the first
                stream.destroy()
        elif not self._left:
            self._tell()

    def _tell(self, *error: BaseException) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(*error)


def _heard(_: object) -> None:
    """The error was told already."""
