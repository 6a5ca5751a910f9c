"""docs/troubleshooting.md quotes messages and numbers that the programs really have."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
ERRORS = (ROOT / "docs" / "errors.md").read_text()
ROWS = re.findall(r"^\| (?!you see|---)([^|]+) \|", PAGE, re.MULTILINE)
SHORTEST = 4


@cache
def texts():
    """All literal texts of the code, the parts of f-strings joined by a blank part."""
    found = [in_javascript(path) for path in ROOT.glob("*/src/**/*.js")]
    for path in ROOT.glob("*/src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.JoinedStr(values=values):
                    found.append(
                        "".join(
                            getattr(each, "value", "\0")
                            for each in values
                            if isinstance(getattr(each, "value", "\0"), str)
                        )
                    )
                case ast.Constant(value=str(text)):
                    found.append(text)
    return "\n".join(found)


def in_javascript(path):
    """The source of a file, with the texts that are written in several lines as one."""
    return re.sub(r"'\s*\+\s*'", "", path.read_text()).replace("\\'", "'")


def quoted():
    for cell in ROWS:
        for message in re.findall("`([^`]+)`", cell):
            for part in re.split("…", message):
                if " " in part.strip() and len(part.strip()) >= SHORTEST:
                    yield part.strip()


@pytest.mark.parametrize("part", sorted(set(quoted())))
def test_each_message_is_one_of_the_code(part):
    words = part.split()
    call = words[0] in {"connect", "read", "getaddrinfo"} and words[1].isupper()
    known = part in texts()
    assert known or (call and all(word in texts() for word in words))


def test_each_number_has_a_paragraph():
    numbers = set(re.findall(r"TP\d{4}", PAGE))
    assert len(numbers) > 15
    assert numbers <= set(re.findall(r"^### (TP\d{4})$", ERRORS, re.MULTILINE))
