"""The lock files of npm: exact versions and checksums, and no address of a registry."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [
    lock
    for folder in ("examples", "tests")
    for lock in sorted((ROOT / folder).rglob("package-lock.json"))
    if "node_modules" not in lock.parts
]
FOLDERS = [lock.parent for lock in LOCKS]


@pytest.fixture(params=FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def packages(request):
    """The packages of a lock file by path; the empty path is the folder's own package."""
    return json.loads((request.param / "package-lock.json").read_text())["packages"]


def test_the_lock_files_are_found():
    assert ROOT / "examples/npm" in FOLDERS
    assert len(FOLDERS) > 1


def test_each_locked_package_has_a_version_and_a_checksum(packages):
    for path, package in packages.items():
        if path:
            assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", package["version"]), path
            assert package["integrity"].startswith("sha512-"), path


def test_no_locked_package_has_an_address(packages):
    assert [path for path, package in packages.items() if "resolved" in package] == []


def test_the_asked_versions_are_exact(packages):
    asked = {**packages[""]["dependencies"], **packages[""].get("devDependencies", {})}
    for name, version in asked.items():
        assert re.fullmatch(r"(npm:[\w-]+@)?\d+\.\d+\.\d+", version), f"{name}: {version}"
