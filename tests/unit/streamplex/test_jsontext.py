"""JSON, written as JavaScript writes it and read strictly."""

import json
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex import LocalError, RemoteError, jsontext
from streamplex.jsontext import MAX_DEPTH, MAX_DIGITS, dumps, loads, size_in_memory

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nested(levels, inner=b""):
    return b"[" * levels + inner + b"]" * levels


def test_json_is_written_without_blanks_in_the_order_given():
    assert dumps({"b": [1, True, None], "a": "ü"}) == '{"b":[1,true,null],"a":"ü"}'.encode()


def test_control_characters_are_escaped_as_javascript_does():
    assert dumps('\x00\b\t\n\f\r\x1f"\\/\x7f\u2028') == (
        b'"\\u0000\\b\\t\\n\\f\\r\\u001f\\"\\\\/\x7f\xe2\x80\xa8"'
    )


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"bytes", {1, 2}, "\ud800", {"\udfff": 1}, {("a",): 1}],
    ids=ascii,
)
def test_what_json_cannot_say_is_the_callers_fault(value):
    with pytest.raises(LocalError, match="not a JSON value"):
        dumps(value)


def test_a_value_that_contains_itself_is_the_callers_fault():
    loop = []
    loop.append(loop)
    with pytest.raises(LocalError, match="not a JSON value"):
        dumps(loop)


@given(json_values)
def test_a_value_comes_out_as_it_went_in(value):
    assert loads(dumps(value)) == value


@given(json_values)
def test_escapes_of_foreign_make_are_read(value):
    assert loads(json.dumps(value, indent=1).encode()) == value


@pytest.mark.parametrize("text", [b'{"a":1} ', b' {"a":1}', b'{"a":1}', b'\n{"a" : 1}\r\n\t'])
def test_blanks_around_a_value_are_nothing(text):
    assert loads(text) == {"a": 1}


def test_what_follows_a_value_is_a_fault():
    with pytest.raises(RemoteError, match="Extra data"):
        loads(b'{"a":1}{"b":2}')


def test_a_pair_of_escaped_surrogates_is_one_character():
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[1,]", "Expecting value|Illegal trailing comma"),
        (b"{'a':1}", "Expecting property name"),
        (b"1 2", "Extra data"),
        (b"{}\x00", "Extra data"),
        (b'"a\nb"', "Invalid control character"),
        (b"\xff", "can't decode byte 0xff"),
        (b'"\xc0\xaf"', "can't decode byte 0xc0"),
        (b'"\xed\xa0\x80"', "can't decode byte 0xed"),
        ('{"a":1}'.encode("utf-16"), "can't decode byte 0xff"),
        ('{"a":1}'.encode("utf-16-le"), "Expecting property name"),
        ('{"a":1}'.encode("utf-8-sig"), "Expecting value"),
        (b"NaN", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b"1e999", "number out of range"),
        (b"-1.5e400", "number out of range"),
        (b"9" * (MAX_DIGITS + 1), "integer of 309 digits; allowed: 308"),
        (b"9" * 5000, "integer of 5000 digits; allowed: 308"),
        (b"[-" + b"9" * 60_000 + b"]", "integer of 60001 digits; allowed: 308"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_what_is_not_strictly_json_is_the_peers_fault(data, why):
    with pytest.raises(RemoteError, match=f"(?s)invalid JSON .*({why})"):
        loads(data)


def test_the_error_tells_the_size_of_what_came_and_quotes_nothing():
    with pytest.raises(RemoteError) as caught:
        loads(b'{"token": "S3CRET"' + b" " * 60_000)
    assert str(caught.value).startswith("invalid JSON of 60018 bytes: Expecting ',' delimiter")
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [rb'"\ud800"', rb'["\udc00\ud800"]', rb'{"\udfff":1}', rb'{"a":{"b":["x\ud83dx"]}}'],
)
def test_a_lone_surrogate_is_the_peers_fault_in_keys_too(data):
    with pytest.raises(RemoteError, match="lone surrogate or deep nesting in JSON"):
        loads(data)


def test_numbers_that_a_double_holds_are_read():
    assert loads(b"9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    assert loads(b"[1.5e300,-0.0,1e-999]") == [1.5e300, 0.0, 0.0]


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, 900, 30_000])
def test_nesting_of_too_many_levels_is_the_peers_fault(levels):
    with pytest.raises(RemoteError, match=r"nested deeper than 64 levels|recursion depth exceeded"):
        loads(nested(levels))


def test_deep_nesting_beside_an_escape_is_the_peers_fault():
    with pytest.raises(RemoteError, match="deep"):
        loads(nested(900, rb'"\u0041"'))


def test_objects_nest_as_lists_do():
    assert loads(b'{"":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
    with pytest.raises(RemoteError, match="nested deeper than 64 levels"):
        loads(b'{"":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1))


def test_the_deepest_nesting_allowed_is_read():
    assert loads(nested(MAX_DEPTH)) is not None
    assert loads(nested(MAX_DEPTH, b"1")) is not None


def test_many_lists_side_by_side_are_not_deep():
    assert len(loads(b"[" + b"[]," * 1000 + b"1]")) == 1001


def test_what_stands_in_the_deepest_list_is_no_further_level():
    assert loads(b"[[]," + nested(MAX_DEPTH - 1, b"1") + b"]") is not None


def test_brackets_in_text_do_not_count():
    assert loads(b'"' + b"[" * 1000 + b'"') == "[" * 1000


@pytest.mark.parametrize(
    "data",
    [
        nested(32_000),
        b'{"":' * 16_000,
        b"9" * 65_000,
        b"1." + b"9" * 65_000,
        b"[" + b"[]," * 21_000 + b"[]]",
        b'"' + rb"\ud800" * 10_000 + b'"',
        b"[" + b"1e308," * 10_000 + b"1]",
    ],
    ids=lambda data: ascii(data[:8]),
)
def test_no_frame_of_json_costs_much_time(data):
    began = process_time()
    with suppress(RemoteError):
        loads(data)
    assert process_time() - began < 0.2


def test_memory_is_counted_through_all_levels_keys_too():
    assert size_in_memory({"k" * 10_000: ["v" * 10_000, {"n": [1.5]}]}) > 20_000
    assert size_in_memory([[] for _ in range(1000)]) > 1000 * 56


def test_memory_is_estimated_where_the_interpreter_does_not_know_it(monkeypatch):
    values = ["v" * 10_000, {"k" * 10_000: [1.5] * 1000}, None, 10**300]
    known = size_in_memory(values)
    monkeypatch.setattr(jsontext, "getsizeof", lambda _value, default: default)  # as PyPy's
    assert known < size_in_memory(values) < 30 * known
