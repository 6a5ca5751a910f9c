"""Cleaning of text that people write, and the check of tokens."""

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
def test_whitespace_around_a_text_is_removed(text):
    assert cleaned(text) == "x y"


@pytest.mark.parametrize("invisible", ["\u200b", "\u2060", "\ufeff", "\u200e", "\ufeff \ufeff"])
def test_invisible_characters_around_a_text_are_removed(invisible):
    assert cleaned(f"{invisible}x y {invisible}\n") == "x y"


def test_all_whitespace_is_removed_as_by_strip():
    spaces = "".join(each for each in map(chr, range(sys.maxunicode + 1)) if each.isspace())
    assert cleaned(f"{spaces}x{spaces}") == "x"


@pytest.mark.parametrize("text", [" 'x' ", "\ufeff 'x' ", " 'x' \n", " 'x' \r\n\n"])
def test_only_line_ends_and_a_byte_order_mark_are_removed_from_a_passphrase(text):
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
def test_only_a_pair_around_the_whole_text_is_quotes(text, verdict):
    assert is_quoted(text) is verdict


def test_a_noun_is_singular_or_plural_by_its_number():
    said = [counted(number, "tunnel") for number in (0, 1, 2)]
    assert said == ["0 tunnels", "1 tunnel", "2 tunnels"]


def test_empty_lines_and_comments_are_left_out():
    assert lines_of("\ufeff# old\r\none \r\n\r\n two\rthree") == ["one", "two", "three"]


@pytest.mark.parametrize("text", ["x", "correct horse", "pässwörd", "a'b", "=" * 4096])
def test_a_token_is_any_printable_text(text):
    assert token(text) == text


@pytest.mark.parametrize(
    "text", ["'x'", "a\nb", "a\tb", "\x00", "\u200b", "\udcff", "x" * (MAX_TOKEN_CHARACTERS + 1)]
)
def test_an_invalid_token_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match=r"^a token ") as raised:
        token(text)
    assert text not in str(raised.value)
