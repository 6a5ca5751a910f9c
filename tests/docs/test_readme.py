"""Versions, packages, pages and make targets in the README and in the index of docs/."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
INDEX = (ROOT / "docs" / "README.md").read_text()
PLACEHOLDER = "git clone https://github.com/example/tessel-proxy   # a placeholder: "
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
PROJECTS = {
    file.parent.name: tomllib.loads(file.read_text())["project"]
    for file in sorted(ROOT.glob("*/pyproject.toml"))
}


def test_the_readme_takes_a_page_and_a_half():
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 900


def test_the_pythons_are_those_of_the_packages():
    classifiers = PROJECTS["device"]["classifiers"]
    versions = [each.rpartition(" ")[2] for each in classifiers if "Python :: 3." in each]
    assert f"Python {versions[0]} to {versions[-1]} with" in README


@pytest.mark.parametrize("page", ["README.md", "docs/own-proxy.md"])
def test_the_versions_of_docker_are_those_of_the_compose_file(page):
    text = " ".join((ROOT / page).read_text().split())
    compose = (ROOT / "docker-compose.yml").read_text()
    (version,) = re.findall(r"^# It needs Compose (\S+) or later", compose, re.MULTILINE)
    assert f"Docker Engine 25 and Compose {version}, or later" in text


@pytest.mark.parametrize("page", ["README.md", "docs/own-proxy.md"])
def test_the_address_to_clone_is_said_to_be_a_placeholder(page):
    assert PLACEHOLDER in (ROOT / page).read_text()


def test_each_package_has_a_row():
    rows = re.findall(r"^\| \[`([\w-]+)/`\]\(\1\) \| `([\w-]+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted((folder, each["name"]) for folder, each in PROJECTS.items())


def test_each_page_is_in_the_index_once():
    linked = re.findall(r"^- \[(?:[^]]+)\]\(([^)]+)\)", INDEX, re.MULTILINE)
    here = [link for link in linked if not link.startswith("../")]
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(here) == sorted(pages | {"decisions/README.md", "api/README.md"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_target_that_is_named_is_there(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    shown = re.findall(r"`make ([a-z0-9-]+)", page.read_text())
    shown += [name for block in blocks for name in re.findall(r"^make (\S+)", block, re.MULTILINE)]
    assert set(shown) <= targets
