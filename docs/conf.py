"""Settings of Sphinx, which makes the site from the pages here and from docstrings: `make docs`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

REPOSITORY: Final = "https://github.com/example/tessel-proxy/blob/main"  # a placeholder
LINK: Final = re.compile(r"\]\(((?:\.\./)+)([^)\s]+)\)")
GROUP: Final = re.compile(r"^## ([\w-]+).*\n((?:\n|- .*\n)+)", re.MULTILINE)
ENTRY: Final = re.compile(r"^- \[.+?\]\(([\w/-]+)\.md\)", re.MULTILINE)
SECTION: Final = re.compile(r"^\s*(Args|Returns|Raises|Yields|Example|Note):$")

project = "Tessel proxy"
project_copyright = "the project's contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "README"
exclude_patterns = ["build", "tools"]
html_theme = "furo"
html_title = project

myst_heading_anchors = 3  # as forges make them
default_role = "literal"  # `names` in docstrings
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
nitpicky = False


def _outside(_app: Sphinx, name: str, source: list[str]) -> None:
    """Let links to files outside of docs/ lead to the repository."""
    depth = name.count("/") + 1
    source[0] = LINK.sub(
        lambda link: f"]({REPOSITORY}/{link[2]})" if link[1].count("../") == depth else link[0],
        source[0],
    )


def _contents(_app: Sphinx, name: str, source: list[str]) -> None:
    """Make the menu of the site from the lists of the index pages."""
    if name == "README":
        for title, entries in GROUP.findall(source[0]):
            source[0] += _tree(title, ENTRY.findall(entries))
    elif name.endswith("/README"):
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n[a-z0-9]*\n```\n"


def _tree(title: str, pages: list[str]) -> str:
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages) + "\n```\n"


def _examples(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Make indented parts of a docstring blocks of code, as they read in the source."""
    for index in range(len(lines) - 1, 0, -1):
        indented = lines[index].startswith("    ") and not lines[index - 1].strip()
        before = next((line for line in reversed(lines[:index]) if line.strip()), "")
        if indented and before and not before.startswith(" ") and not SECTION.match(before):
            lines[index:index] = ["::", ""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _outside)
    app.connect("source-read", _contents)
    app.add_lexer("mermaid", TextLexer)
    app.connect("autodoc-process-docstring", _examples, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
