"""Streams in the manner of Node's `stream`.

    from tessel import stream

    source, copy = stream.Readable(), stream.PassThrough()
    stream.pipeline(source, copy, lambda error: print(error or "done"))
    source.push("a line")
    source.push(None)

Chunks are bytes, or text after `set_encoding`.
"""

from __future__ import annotations

from tessel.node._streams.base import Chunk, Stream
from tessel.node._streams.duplex import Duplex
from tessel.node._streams.pipelines import finished, pipeline
from tessel.node._streams.readable import Readable
from tessel.node._streams.transform import PassThrough, Transform
from tessel.node._streams.writable import Writable

__all__ = [
    "Chunk",
    "Duplex",
    "PassThrough",
    "Readable",
    "Stream",
    "Transform",
    "Writable",
    "finished",
    "pipeline",
]


def __dir__() -> list[str]:
    return __all__
