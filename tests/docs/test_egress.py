"""docs/egress.md shows the truth table that is tested, and rules that can be used."""

import re
from pathlib import Path

from support.egress_table import in_markdown
from tessel_proxy.egress.policy_file import parse
from tessel_proxy.egress.rules import rules

PAGE = (Path(__file__).parents[2] / "docs" / "egress.md").read_text()
MARK = "<!-- made from tests/support/egress_table.py, and checked against it -->\n\n"


def test_the_pages_truth_table_is_the_tests():
    assert PAGE.partition(MARK)[2] == in_markdown()


def test_the_pages_rules_are_rules():
    table = PAGE[PAGE.index("| rule | matches |") : PAGE.index("Digits directly after")]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    shown = [word for cell in cells for word in re.findall("`([^`]+)`", cell)]
    assert len(shown) > len(cells)
    assert [str(*rules(word)).replace("/32", "").replace("/128", "") for word in shown] == shown


def test_the_pages_policy_file_can_be_used():
    text = PAGE[PAGE.index("# a comment, on a line") :]
    assert list(parse(text[: text.index("```")].encode()).accounts) == ["kim"]
