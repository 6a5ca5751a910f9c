"""What the pages here link to is there; and the decisions are all in their index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md")
    for page in sorted(ROOT.glob(pattern))
]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
DECISIONS = ROOT / "docs" / "decisions"


def prose(page):
    return FENCED.sub("", page.read_text())


def anchors(page):
    """As forges make them of headings: words in lower case, joined by hyphens."""
    headings = (LINK.sub("]", each).lower() for each in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", each).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    lost = []
    for link in LINK.findall(prose(page)):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if "://" not in link and not (
            target.exists() and (not anchor or anchor in anchors(target))
        ):
            lost.append(link)
    assert lost == []


def test_the_pages_are_found():
    assert {ROOT / "README.md", DECISIONS / "README.md", ROOT / "bench/README.md"} <= set(PAGES)


def test_the_index_of_decisions_has_each_by_its_number_and_title():
    titles = {}
    for decision in sorted(DECISIONS.glob("0*.md")):
        number, title = re.match(r"# (\d{4}): (.+)\n", decision.read_text()).groups()
        assert decision.name.startswith(f"{number}-")
        titles[number] = (decision.name, title)
    assert list(titles) == [f"{n:04}" for n in range(1, len(titles) + 1)]
    rows = re.findall(
        r"^\| \[(\d{4})\]\((.+)\) \| (.+) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    assert {number: (file, title) for number, file, title in rows} == titles
