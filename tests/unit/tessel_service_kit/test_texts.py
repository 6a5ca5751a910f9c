"""What people and editors put around a value, and what a token may be."""

import sys

import pytest

from tessel_service_kit.texts import (
    MAX_TOKEN_CHARACTERS,
    cleaned,
    counted,
    is_quoted,
    lines_of,
    token,
    without_line_ends,
)


@pytest.mark.parametrize(
    "text", ["x y", "\ufeffx y", " x y\t", "x y\r", "x y\r\n\r\n", " \ufeff x y\n", "\nx y\u00a0"]
)
def test_what_stands_around_a_value_is_taken_off(text):
    assert cleaned(text) == "x y"


@pytest.mark.parametrize("invisible", ["\u200b", "\u2060", "\ufeff", "\u200e", "\ufeff \ufeff"])
def test_invisible_characters_around_a_value_are_taken_off(invisible):
    assert cleaned(f"{invisible}x y {invisible}\n") == "x y"


def test_all_whitespace_is_taken_off_as_by_strip():
    spaces = "".join(each for each in map(chr, range(sys.maxunicode + 1)) if each.isspace())
    assert cleaned(f"{spaces}x{spaces}") == "x"


@pytest.mark.parametrize("text", [" 'x' ", "\ufeff 'x' ", " 'x' \n", " 'x' \r\n\n"])
def test_a_passphrase_loses_line_ends_and_a_byte_order_mark_alone(text):
    assert without_line_ends(text) == " 'x' "


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('"x"', True),
        ("'x'", True),
        ("\u201cx\u201d", True),
        ("\u201ex\u201c", True),
        ("\u201dx\u201d", True),
        ("\u00abx\u00bb", True),
        ('""', True),
        ("\"x'", False),
        ('"', False),
        ("", False),
        ('x"y"', False),
    ],
)
def test_quotes_are_a_pair_around_everything(text, verdict):
    assert is_quoted(text) is verdict


def test_what_is_counted_has_the_right_number():
    said = [counted(number, "tunnel") for number in (0, 1, 2)]
    assert said == ["0 tunnels", "1 tunnel", "2 tunnels"]


def test_lines_that_say_nothing_and_comments_are_left_out():
    assert lines_of("\ufeff# old\r\none \r\n\r\n two\rthree") == ["one", "two", "three"]


@pytest.mark.parametrize("text", ["x", "correct horse", "pässwörd", "a'b", "=" * 4096])
def test_a_token_is_any_printable_text(text):
    assert token(text) == text


@pytest.mark.parametrize(
    "text", ["'x'", "a\nb", "a\tb", "\x00", "\u200b", "\udcff", "x" * (MAX_TOKEN_CHARACTERS + 1)]
)
def test_what_can_be_no_token_is_refused_and_not_quoted(text):
    with pytest.raises(ValueError, match=r"^a token ") as raised:
        token(text)
    assert text not in str(raised.value)
