"""Each parser of the repository can print its help: argparse formats the texts only then."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("bench", "demo", "docs", "lab")
    for path in (ROOT / folder).rglob("*.py")
    if re.search(r"ArgumentParser\(", path.read_text())
)
COMMANDS = {
    "tessel_proxy.startup.command_line": "parser",
    "tessel.__main__": "_parser",
    "tessel_oauth.__main__": "_parser",
}


def parsers(parser):
    """Yield a parser, and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers(each)


@pytest.mark.parametrize("module", TOOLS)
def test_each_tool_prints_its_help(module, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize("module", COMMANDS)
def test_each_command_of_the_packages_has_a_help(module):
    parser = getattr(importlib.import_module(module), COMMANDS[module])()
    helps = [each.format_help() for each in parsers(parser)]
    assert len(helps) > 2
    assert all(each.startswith("usage: ") for each in helps)


def test_no_parser_of_the_packages_is_forgotten():
    made = {
        ".".join(path.with_suffix("").parts[path.parts.index("src") + 1 :])
        for path in ROOT.glob("*/src/**/*.py")
        if re.search(r"= (Argument|Command)Parser\(", path.read_text())
    }
    assert made == set(COMMANDS)
