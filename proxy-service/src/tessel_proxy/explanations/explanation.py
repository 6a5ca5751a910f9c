"""The paragraphs of docs/errors.md, each with its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from tessel_proxy.explanations.rendering import rendered
from tessel_proxy.records.error_codes import ErrorCode

_PARAGRAPH: Final = re.compile(
    r"^### (?P<error>TP\d{4})\n\n"
    r"(?P<happened>\*\*(?P<title>.+?)\.?\*\*.*?)\n\n"
    r"- \*\*See it:\*\* (?P<see>.+?)\n"
    r"- \*\*Do:\*\* (?P<act>.+?)(?=\n\n#|\n*\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one error number means. All texts but `title` are Markdown."""

    error: ErrorCode
    title: str
    happened: str
    see: str  # where to see it: command, page, metric, log
    act: str  # what to do

    def html(self) -> str:
        """Return the explanation as HTML without a page around it: all text is escaped.

        A link to another number leads to /errors/NUMBER; links to other pages are plain text,
        because the proxy does not have these pages.
        """
        return (
            f'<section id="{self.error.value}">\n<h1>{self.error.value}</h1>\n'
            f"{rendered(self.happened)}<h2>See it</h2>\n{rendered(self.see)}"
            f"<h2>Do</h2>\n{rendered(self.act)}</section>\n"
        )

    def as_json(self) -> Mapping[str, str]:
        """Return the explanation as values for JSON; `name` is the name of the number in the code.

        `html` is what `html` returns.
        """
        return {
            "error": self.error.value,
            "name": self.error.name.lower(),
            "title": self.title,
            "happened": self.happened,
            "see": self.see,
            "do": self.act,
            "html": self.html(),
        }


def paragraph(error: ErrorCode) -> Explanation:
    """Return the explanation of an error number."""
    return _all()[error]


def explanations_of(page: str) -> Iterator[Explanation]:
    """Yield the explanations of a page in the form of docs/errors.md, in the page's order."""
    for found in _PARAGRAPH.finditer(page):
        yield Explanation(
            ErrorCode(found["error"]),
            _joined(found["title"]),
            _joined(found["happened"]),
            _joined(found["see"]),
            _joined(found["act"]),
        )


@cache
def _all() -> Mapping[ErrorCode, Explanation]:
    page = files("tessel_proxy.explanations").joinpath("errors.md").read_text("utf-8")
    return {each.error: each for each in explanations_of(page)}


def _joined(text: str) -> str:
    return " ".join(text.split())
