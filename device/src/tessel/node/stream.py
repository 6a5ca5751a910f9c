"""Streams in the Node manner: Readable, Writable, Duplex, and what is made of them."""

from __future__ import annotations

from tessel.node.duplex import Duplex
from tessel.node.pipelines import finished, pipeline
from tessel.node.readable import Readable
from tessel.node.stream_base import Chunk, Stream
from tessel.node.transform import PassThrough, Transform
from tessel.node.writable import Writable

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
