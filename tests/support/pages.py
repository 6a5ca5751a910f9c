"""Parts of Markdown pages."""

import re


def blocks(page, language):
    """The fenced blocks of this language on a page."""
    fenced = rf"^```{language}\n(.*?)^```"
    return re.findall(fenced, page.read_text(), re.MULTILINE | re.DOTALL)
