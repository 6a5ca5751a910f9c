"""The C client accepts and refuses the same JSON texts as the Python core."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex import jsontext, messages
from streamplex.errors import RemoteError
from support.clients.c_client import CDevice

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SPECIAL = b'"\\{}[],:0123456789eE+-.tfnul \t\x1f\x80\xc3\xed\xf4'
BYTES = st.sampled_from([bytes([each]) for each in SPECIAL])


def written(value, ascii_only, indent):
    text = json.dumps({"x": value}, ensure_ascii=ascii_only, indent=indent)
    return text.encode("utf-8", "surrogatepass")


TEXTS = st.builds(written, ANY, st.booleans(), st.none() | st.just(1))


def accepts(library, text):
    device = CDevice(library)
    device.start("token", None, (), 1)
    frame = messages.encode_text(0, text)
    return device.receive(frame) != [("fault",)]


def core_accepts(text):
    try:
        return isinstance(jsontext.loads(text), dict)
    except RemoteError as error:
        # The C client accepts such a number, but not another fault behind it.
        return "number out of range" in str(error) and core_accepts(with_small_numbers(text))


def with_small_numbers(text):
    try:
        return json.dumps(json.loads(text, parse_float=lambda _digits: 0)).encode()
    except ValueError:
        return b"not JSON"


@given(text=TEXTS)
def test_every_valid_text_is_accepted_or_refused_alike(library, text):
    assert accepts(library, text) == core_accepts(text)


@given(text=TEXTS, at=st.integers(0, 200), cut=st.integers(0, 2), put=st.lists(BYTES, max_size=3))
def test_every_damaged_text_is_accepted_or_refused_alike(library, text, at, cut, put):
    at = min(at, len(text))
    damaged = text[:at] + b"".join(put) + text[at + cut :]
    if damaged:
        assert accepts(library, damaged) == core_accepts(damaged)


@pytest.mark.parametrize(
    "text",
    [
        b'{"x":%s}' % inner
        for inner in (
            b"[" * 63 + b"]" * 63,
            b"[" * 64 + b"]" * 64,
            b"1" * 308,
            b"1" * 309,
            b"0." + b"1" * 400,
            b"01",
            b"-",
            b"-0",
            b"1e999",
            b"1e999e-1",
            b"1.",
            b"1e",
            b"1e+",
            b".5",
            b"NaN",
            b"Infinity",
            b"tru",
            b"truee",
            b'"\\ud834\\udd1e"',
            b'"\\ud834"',
            b'"\\udd1e"',
            b'"\\ud834\\u0041"',
            b'"\\ud834x"',
            b'"\\uD8"',
            b'"\xed\xa0\x80"',
            b'"\xc0\x80"',
            b'"\xf4\x90\x80\x80"',
            b'"\xf4\x8f\xbf\xbf"',
            b'"\n"',
            b'"\\x"',
            b"[1,]",
            b"[,1]",
            b'{"a":1,}',
            b'{"a"}',
            b"{1:1}",
            b"1}",
        )
    ]
    + [b"[]", b"1", b'"x"', b" {} ", b"{}x", b"\xef\xbb\xbf{}", b"{", b"", b" "],
    ids=lambda text: ascii(text[:30]),
)
def test_a_text_at_the_edge_is_accepted_or_refused_alike(library, text):
    assert accepts(library, text) == core_accepts(text)
