"""Markdown -> HTML, for pages that the proxy serves itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_NUMBER: Final = re.compile(r"#tp(\d{4})")


def rendered(markdown: str) -> str:
    """Return Markdown as HTML. HTML in it is escaped; see Explanation.html for links."""
    renderer = _renderer()
    tokens = renderer.parse(markdown)
    for token in tokens:
        if token.children is not None:
            token.children = list(_with_own_links(token.children))
    return str(renderer.renderer.render(tokens, renderer.options, {}))


@cache
def _renderer() -> MarkdownIt:
    # Imported only now: most proxies never render a page.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    return MarkdownIt("commonmark", {"html": False})


def _with_own_links(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield `tokens`, but of links only those to other numbers."""
    is_own = False
    for token in tokens:
        if token.type == "link_open":
            number = _NUMBER.fullmatch(str(token.attrs.get("href", "")))
            is_own = number is not None
            if number is not None:
                token.attrs["href"] = f"/errors/TP{number[1]}"
        if is_own or token.type not in ("link_open", "link_close"):
            yield token
