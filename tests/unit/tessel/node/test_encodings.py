"""Node's encodings: text to bytes, and bytes to text in chunks. The values are Node 20's own."""

import pytest

from tessel.errors import NodeError
from tessel.node.base.encodings import as_bytes, decoder, encoded

ENCODED = [
    ("utf8", "héllo", "68c3a96c6c6f"),
    ("UTF-8", "\ud800x", "efbfbd78"),
    ("hex", "0a0b", "0a0b"),
    ("hex", "0a0", "0a"),
    ("hex", "zz", ""),
    ("base64", "aGVsbG8=", "68656c6c6f"),
    ("base64", "aGVs bG8", "68656c6c6f"),
    ("base64", "-_8", "fbff"),
    ("base64", "a", ""),
    ("base64url", "-_8", "fbff"),
    ("latin1", "é€", "e9ac"),
    ("binary", "é", "e9"),
    ("ascii", "é", "e9"),
    ("utf16le", "é", "e900"),
    ("ucs2", "😀", "3dd800de"),
    ("UCS-2", "a", "6100"),
]


@pytest.mark.parametrize(("encoding", "text", "hexadecimal"), ENCODED)
def test_text_becomes_the_bytes_that_node_makes_of_it(encoding, text, hexadecimal):
    assert encoded(text, encoding).hex() == hexadecimal


DECODED = [
    ("utf8", "f09f988078", "😀x"),
    ("utf8", "e282", "\ufffd"),
    ("utf16le", "3dd800de41", "😀"),
    ("ucs2", "610062", "a"),
    ("hex", "00ff80", "00ff80"),
    ("base64", "00ff80e9", "AP+A6Q=="),
    ("base64url", "00ff80e9", "AP-A6Q"),
    ("latin1", "ffe9", "ÿé"),
    ("binary", "ffe9", "ÿé"),
    ("ascii", "e1", "a"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(("encoding", "hexadecimal", "text"), DECODED)
def test_bytes_become_text_however_they_are_cut(encoding, hexadecimal, text, size):
    data, decoding = bytes.fromhex(hexadecimal), decoder(encoding)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert "".join(map(decoding.decode, pieces)) + decoding.decode(b"", True) == text


@pytest.mark.parametrize("name", ["utf-7", "", "base46", "rot13"])
def test_another_encoding_is_an_error(name):
    for call in (lambda: encoded("x", name), lambda: decoder(name)):
        with pytest.raises(NodeError, match="Unknown encoding") as raised:
            call()
        assert raised.value.code == "ERR_UNKNOWN_ENCODING"


def test_the_encoding_that_was_probably_meant_is_named():
    with pytest.raises(NodeError, match="Did you mean 'base64'"):
        encoded("x", "base46")


def test_only_text_and_bytes_have_bytes():
    assert as_bytes(bytearray(b"a")) + as_bytes(memoryview(b"b")) + as_bytes("c") == b"abc"
    with pytest.raises(TypeError, match="must be text or bytes"):
        as_bytes(5)
    with pytest.raises(TypeError, match="name of an encoding"):
        encoded("x", 5)
