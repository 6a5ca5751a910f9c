"""The HTML page of one error number, which the operator's page links to."""

from __future__ import annotations

from html import escape

from tessel_proxy.explanations import paragraph
from tessel_proxy.records.error_codes import ErrorCode

_DOCUMENT = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{number}: {title}</title>
  <link rel="icon" href="/page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/page/css/base.css">
  <link rel="stylesheet" href="/page/css/errors.css">
</head>
<body>
<main>
{section}</main>
<footer><a href="/#/overview">To the operator's page</a></footer>
</body>
</html>
"""


def error_page(number: str) -> bytes | None:
    """Return the page of an error number such as "TP2005"; None if there is no such number."""
    try:
        error = ErrorCode(number)
    except ValueError:
        return None
    found = paragraph(error)
    document = _DOCUMENT.format(number=number, title=escape(found.title), section=found.html())
    return document.encode()
