"""What each error number means, where to see it, and what to do: docs/errors.md, in the package.

`paragraph` returns the Explanation of one number, as Markdown, HTML and JSON values. `errors.md`
here is a copy of docs/errors.md, because a wheel has no docs: `make errors-page` writes it, and a
test compares both.
"""

from tessel_proxy.explanations.explanation import Explanation, paragraph

__all__ = ["Explanation", "paragraph"]
