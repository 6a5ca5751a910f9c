"""CHANGELOG.md follows Keep a Changelog, and its newest release is the packages' version."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CHANGELOG.md").read_text()
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def test_the_newest_release_is_the_version_of_the_packages():
    releases = re.findall(r"^## (?!Unreleased)(.+)$", PAGE, re.MULTILINE)
    number, date = releases[0].split(" - ")
    project = tomllib.loads((ROOT / "streamplex" / "pyproject.toml").read_text())["project"]
    assert number == project["version"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
    assert "\n## Unreleased\n" in PAGE


def test_each_part_of_a_release_is_of_a_known_kind():
    kinds = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    assert kinds
    assert set(kinds) <= set(KINDS)


def test_entries_are_short():
    entries = re.findall(r"^- (.+(?:\n  .+)*)", PAGE, re.MULTILINE)
    assert len(entries) > 50
    assert max(len(entry.split()) for entry in entries) <= 50
