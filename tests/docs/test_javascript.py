"""The rules for JavaScript files that hold without npm: syntax, strict mode, length, modules."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from support.node import node

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "demo", "device/src", "docs", "examples", "tests")
FILES = [
    file
    for folder in FOLDERS
    for file in sorted((ROOT / folder).rglob("*.js"))
    if "node_modules" not in file.parts and "build" not in file.parts
]
RUNTIME = ROOT / "device/src/tessel/javascript/runtime"
OF_THE_RUNTIME = [file for file in FILES if file.is_relative_to(RUNTIME)]
MAX_LINES = 300
MAX_COLUMNS = 120
STRICT = re.compile(r"""(#!.*\n)?(\s|//.*|/\*(?s:.*?)\*/)*(['"])use strict\3;""")
REQUIRED = re.compile(r"""\brequire\((['"])(.+?)\1\)""")


def name(file):
    return file.relative_to(ROOT).as_posix()


def code(file):
    """The lines of a file without comments, numbered from 1."""
    text = re.sub(
        r"/\*.*?\*/", lambda each: "\n" * each[0].count("\n"), file.read_text(), flags=re.DOTALL
    )
    return [
        (number, re.sub(r"(^|\s)//.*", "", line)) for number, line in enumerate(text.split("\n"), 1)
    ]


def test_the_files_are_found():
    assert ROOT / "tests/support/node/members.js" in FILES


@pytest.mark.parametrize("file", FILES, ids=name)
def test_node_can_parse_each_file(file):
    done = subprocess.run(
        [node(), "--check", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", OF_THE_RUNTIME, ids=name)
def test_each_file_of_the_runtime_is_strict_and_short(file):
    lines = file.read_text().splitlines()
    assert STRICT.match(file.read_text())
    assert len(lines) < MAX_LINES
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS] == []


@pytest.mark.parametrize("file", OF_THE_RUNTIME, ids=name)
def test_the_runtime_leaves_the_output_to_the_program(file):
    """What the runtime has to say goes through the channel or process.emitWarning."""
    assert [each for each in code(file) if re.search(r"\bconsole\.|\bdebugger\b", each[1])] == []


@pytest.mark.parametrize("file", OF_THE_RUNTIME, ids=name)
def test_the_runtime_needs_only_node_and_its_own_files(file):
    builtin = json.loads(
        subprocess.check_output(
            [node(), "-p", "JSON.stringify(require('module').builtinModules)"], text=True
        )
    )
    for _, wanted in REQUIRED.findall("\n".join(line for _, line in code(file))):
        if wanted.startswith("."):
            assert any(
                (file.parent / f"{wanted}{end}").is_file() for end in ("", ".js", "/index.js")
            )
        else:
            assert wanted.removeprefix("node:") in builtin
