"""The metadata of the five packages, and the contents of their sdist and wheel."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from flit_core import buildapi

ROOT = Path(__file__).parents[2]
FOLDERS = ("streamplex", "service-kit", "proxy-service", "device", "oauth-stub")
REPOSITORY = "https://github.com/example/tessel-proxy"
NEWEST_PYTHON = 14


def project(folder):
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module", params=FOLDERS)
def built(request, tmp_path_factory):
    """The folder of a package, and the members of its sdist and its wheel."""
    out = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT / request.param)
        sdist = out / buildapi.build_sdist(out)
        wheel = out / buildapi.build_wheel(out)
    with tarfile.open(sdist) as archive:
        in_sdist = {
            member.name.partition("/")[2]: archive.extractfile(member).read()
            for member in archive.getmembers()
            if member.isfile()
        }
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name: archive.read(name) for name in archive.namelist()}
    return request.param, in_sdist, in_wheel


def test_the_licence_is_in_sdist_and_wheel(built):
    _, in_sdist, in_wheel = built
    licence = (ROOT / "LICENSE").read_bytes()
    (name,) = (name for name in in_wheel if name.endswith("/licenses/LICENSE"))
    assert in_sdist["LICENSE"] == in_wheel[name] == licence


def test_the_files_of_the_source_are_in_sdist_and_wheel(built):
    folder, in_sdist, in_wheel = built
    source = ROOT / folder / "src"
    files = {
        file.relative_to(source).as_posix(): file.read_bytes()
        for file in source.rglob("*")
        if file.is_file() and file.suffix != ".pyc" and ".egg-info" not in file.parent.name
    }
    assert files.items() <= in_wheel.items()
    assert {f"src/{name}": data for name, data in files.items()}.items() <= in_sdist.items()


def test_the_wheel_declares_its_types(built):
    _, _, in_wheel = built
    (package,) = {name.split("/")[0] for name in in_wheel if ".dist-info/" not in name}
    assert in_wheel[f"{package}/py.typed"] == b""


def test_the_metadata_has_all_that_an_index_shows(built):
    folder, _, in_wheel = built
    (name,) = (name for name in in_wheel if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(in_wheel[name])
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Author"] == "the project's contributors"
    assert metadata["Keywords"]
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    readme = (ROOT / folder / "README.md").read_text()
    assert readme.startswith(f"# {metadata['Name']}\n")
    assert "](" not in re.sub(r"\]\(https?://", "", readme)  # an index has no page to link to


@pytest.mark.parametrize("folder", FOLDERS)
def test_urls_and_python_versions_are_alike(folder):
    described = project(folder)
    assert described["urls"]["Homepage"] == REPOSITORY
    assert all(url.startswith(REPOSITORY) for url in described["urls"].values())
    oldest = int(described["requires-python"].removeprefix(">=3."))
    versions = [f"3.{minor}" for minor in range(oldest, NEWEST_PYTHON + 1)]
    assert [
        each.rpartition(" ")[2]
        for each in described["classifiers"]
        if re.search(r"Python :: 3\.", each)
    ] == versions
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == versions


def test_all_packages_have_one_version_and_require_it_of_each_other():
    projects = [project(folder) for folder in FOLDERS]
    (version,) = {each["version"] for each in projects}
    names = {each["name"] for each in projects}
    for each in projects:
        for requirement in each["dependencies"]:
            name = re.match(r"[\w-]+", requirement)[0]
            if name in names:
                assert requirement == f"{name}~={version}"


def test_the_newest_release_in_the_changelog_is_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert releases[0] == project("streamplex")["version"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_version_sets_it_everywhere(tmp_path):
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / "pyproject.toml", tmp_path / folder)
    shutil.copy(ROOT / "Makefile", tmp_path)
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    make = ["make", "version", f"PYTHON={sys.executable}"]
    subprocess.run([*make, "VERSION=7.8.9"], cwd=tmp_path, env=environment, check=True)
    refused = subprocess.run([*make, "VERSION=7.8"], cwd=tmp_path, env=environment, check=False)

    was = project("device")["version"]
    for folder in FOLDERS:
        (file,) = (tmp_path / folder).iterdir()
        expected = (ROOT / folder / file.name).read_text().replace(f'~={was}"', '~=7.8.9"')
        assert file.read_text() == expected.replace(f'version = "{was}"', 'version = "7.8.9"')
    assert refused.returncode != 0


def test_the_example_of_streamplex_runs():
    readme = (ROOT / "streamplex/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    events = [line.partition("(")[0] for line in done.stdout.splitlines()]
    assert events == ["StreamOpened", "DataReceived", "StreamEnded"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_hooks_run_the_linters_of_make_lint():
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    lint = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "lint"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = {hook["entry"] for hook in hooks if hook["language"] == "system"}
    assert {entry.replace(" --force-exclude", "") for entry in entries} == {
        line.removesuffix(" .")
        for line in lint.splitlines()
        if re.match(r"\.venv/bin/(?!python )", line)
    }


def test_hosted_ci_calls_targets_that_there_are():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = re.findall(
        r"run: make (\S+)$", (ROOT / ".github/workflows/ci.yml").read_text(), re.MULTILINE
    )
    assert {"setup", "test", "lint", "dist"} <= set(called) <= targets


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_placeholder_of_the_repository_is_said_to_be_one(page):
    assert f"git clone {REPOSITORY}   # a placeholder" in (ROOT / page).read_text()


def test_the_guide_says_to_replace_the_placeholder():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert f"`{REPOSITORY}` is a placeholder" in guide
