"""Node's encodings: how text becomes bytes and bytes become text.

Names of encodings are case-insensitive. As in Node, text that an encoding cannot represent is no
error: it is cut or replaced. A character that is split over two chunks is decoded whole.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from tessel.errors import NodeError
from tessel.node.base.arguments import ArgumentTypeError, nearest

Chunk: TypeAlias = bytes | str

DEFAULT = "utf8"
_ALIASES = {
    "utf8": "utf8",
    "utf-8": "utf8",
    "hex": "hex",
    "base64": "base64",
    "base64url": "base64url",
    "latin1": "latin1",
    "binary": "latin1",
    "ascii": "ascii",
    "utf16le": "utf16le",
    "utf-16le": "utf16le",
    "ucs2": "utf16le",
    "ucs-2": "utf16le",
    # Python's names, which programs here may use as well
    "utf_8": "utf8",
    "latin-1": "latin1",
    "iso-8859-1": "latin1",
    "iso8859-1": "latin1",
    "us-ascii": "ascii",
    "utf-16-le": "utf16le",
}
_HEX_PAIRS = re.compile(r"(?:[0-9a-fA-F]{2})*")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


def encoding_name(name: object) -> str:
    """Return Node's own name of an encoding, such as "utf8"; raises NodeError if it is unknown."""
    if not isinstance(name, str):
        raise ArgumentTypeError("encoding", "the name of an encoding", name)
    known = _ALIASES.get(name.lower())
    if known is None:
        near = nearest(name, _ALIASES)
        hint = f". Did you mean {near!r}?" if near else ""
        raise NodeError(f"Unknown encoding: {name}{hint}", "ERR_UNKNOWN_ENCODING")
    return known


def encoded(text: str, encoding: str = DEFAULT) -> bytes:
    """Return text as bytes in an encoding; raises NodeError if the encoding is unknown."""
    return _ENCODERS[encoding_name(encoding)](text)


def as_bytes(chunk: object, encoding: str = DEFAULT, name: str = "chunk") -> bytes:
    """Return a chunk as bytes: text is encoded in `encoding`, bytes are unchanged.

    Raises ArgumentTypeError if it is neither, and NodeError if the encoding is unknown. `name` is
    that of the argument, for the error.
    """
    if isinstance(chunk, str):
        return encoded(chunk, encoding)
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise ArgumentTypeError(name, "text or bytes", chunk)


def _from_utf8(text: str) -> bytes:
    """Encode as UTF-8. A surrogate without its other half becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _utf16le(text).decode("utf-16-le", "replace").encode()


def _from_hex(text: str) -> bytes:
    """Decode up to the first pair of characters that is not hexadecimal."""
    pairs = _HEX_PAIRS.match(text)
    return bytes.fromhex(pairs[0] if pairs else "")


def _from_base64(text: str) -> bytes:
    """Decode base64 or base64url as Node does: skip other characters, stop at the padding."""
    standard = text.partition("=")[0].replace("-", "+").replace("_", "/")
    digits = _NO_BASE64.sub("", standard)
    whole = digits[: len(digits) - 1] if len(digits) % 4 == 1 else digits
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def _from_latin1(text: str) -> bytes:
    """Encode the low byte of each UTF-16 code unit."""
    return _utf16le(text)[::2]


def _utf16le(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


_ENCODERS: Mapping[str, Callable[[str], bytes]] = {
    "utf8": _from_utf8,
    "hex": _from_hex,
    "base64": _from_base64,
    "base64url": _from_base64,
    "latin1": _from_latin1,
    "ascii": _from_latin1,
    "utf16le": _utf16le,
}


# Bytes -> text, chunk by chunk.


class Decoder(Protocol):
    """Decodes the chunks of one stream to text.

    `decode(data, final)` returns the text of complete characters, and holds an incomplete one until
    the next chunk. `final` is True for the last chunk.
    """

    def decode(self, data: bytes, final: bool = False) -> str: ...


def decoder(encoding: str) -> Decoder:
    """Return a new decoder for one stream of bytes; raises NodeError for an unknown encoding."""
    return _DECODERS[encoding_name(encoding)]()


class _Pieces:
    """Decodes groups of `size` bytes. Keeps an incomplete group until the next chunk."""

    def __init__(self, size: int, text: Callable[[bytes], str]) -> None:
        self._size = size
        self._text = text
        self._rest = b""

    def decode(self, data: bytes, final: bool = False) -> str:
        held = self._rest + data
        whole = len(held) if final else len(held) - len(held) % self._size
        self._rest = held[whole:]
        return self._text(held[:whole])


class _Utf16:
    """Decodes UTF-16LE. As in Node, an odd byte at the end of the stream is dropped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("surrogatepass")

    def decode(self, data: bytes, final: bool = False) -> str:
        if not final:
            return self._decoder.decode(data)
        rest = self._decoder.getstate()[0] + data
        self._decoder.reset()
        return rest[: len(rest) - len(rest) % 2].decode("utf-16-le", "surrogatepass")


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _to_ascii(data: bytes) -> str:
    """Decode ASCII. As in Node, the highest bit of each byte is dropped."""
    return bytes(byte & 0x7F for byte in data).decode("ascii")


def _to_latin1(data: bytes) -> str:
    return data.decode("latin-1")


_DECODERS: Mapping[str, Callable[[], Decoder]] = {
    "utf8": lambda: codecs.getincrementaldecoder("utf-8")("replace"),
    "hex": lambda: _Pieces(1, bytes.hex),
    "base64": lambda: _Pieces(3, _to_base64),
    "base64url": lambda: _Pieces(3, _to_base64url),
    "latin1": lambda: _Pieces(1, _to_latin1),
    "ascii": lambda: _Pieces(1, _to_ascii),
    "utf16le": _Utf16,
}
