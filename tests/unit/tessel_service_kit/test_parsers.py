import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessel_service_kit.logs import LogLevel
from tessel_service_kit.parsers import (
    MAX_SECONDS,
    integer,
    listening_address,
    one_of,
    optional,
    seconds,
)


def refused(parse, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 -- the words are what is tested
        parse(text)
    return str(raised.value)


@pytest.mark.parametrize("text", ["", "-1", "11", "1.5", "x", " 5", "1_0", "٣", "9" * 5000])
def test_other_text_than_an_integer_in_range_is_refused(text):
    assert refused(integer(1, 10), text) == "an integer from 1 to 10"


@given(st.integers(0, 65535))
def test_any_integer_in_range_is_read_as_written(value):
    assert integer(0, 65535)(str(value)) == value


@pytest.mark.parametrize(
    "text", ["0", "-1", "nan", "inf", "soon", "86401", "1_0", " 5", "٣", "0x1", ".", "1e9999", ""]
)
def test_seconds_are_positive_and_finite(text):
    assert refused(seconds, text) == "seconds, more than 0 and at most 86400"


@given(st.floats(min_value=0, max_value=MAX_SECONDS, exclude_min=True))
def test_any_positive_number_of_seconds_in_a_day_is_read_as_written(value):
    assert seconds(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "address"),
    [("", ""), ("127.0.0.1", "127.0.0.1"), ("::0:1", "::1"), ("localhost", "127.0.0.1")],
)
def test_an_address_needs_no_look_up(text, address):
    assert listening_address(text) == address


@pytest.mark.parametrize("text", ["nowhere", "1.2.3", "127.0.0.1:80", "\udcff"])
def test_a_host_name_is_not_an_address_to_listen_on(text):
    words = "an IPv4 or IPv6 address; 0.0.0.0 or :: for all interfaces"
    assert refused(listening_address, text) == words


def test_a_word_is_read_in_upper_or_lower_case():
    assert one_of(LogLevel)("Debug") is LogLevel.DEBUG


def test_another_word_is_refused_and_the_choices_are_named():
    assert refused(one_of(LogLevel), "loud") == "debug or info or warn or error or critical"


def test_an_optional_value_may_be_empty():
    assert (optional(seconds)(""), optional(seconds)("2")) == (None, 2.0)
