"""docs/javascript-modules.md: each module has a row, and what is said of it is so."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from support.javascript.on_device import run_on_device
from support.node import HERE, is_of_the_record, node, recorded

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "javascript-modules.md").read_text()
PROGRAMS = ROOT / "tests" / "support" / "javascript" / "programs"
BATTERY = ROOT / "tests" / "e2e" / "javascript" / "npm" / "package.json"
STATES = {"works", "differs", "missing", "added"}
BACK = {"connections"}  # members of Node 0.10, in docs/board.md
RUNS = 3

needs_node_22 = pytest.mark.skipif(
    not is_of_the_record(), reason="TESSEL_NODE or PATH has another Node than 22"
)


def rows(heading):
    """The cells of each row of the table below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def names(cell):
    return re.findall("`([^`]+)`", cell)


def test_each_module_of_node_has_a_row():
    script = "JSON.stringify(require('module').builtinModules)"
    builtin = json.loads(subprocess.check_output([node(), "-p", script], text=True))
    shown = [name for first, _, _ in rows("Node's modules") for name in names(first)]
    assert sorted(shown) == sorted({*builtin} - {name for name in builtin if name[0] == "_"})


@pytest.mark.parametrize(
    "heading", ["Node's modules", "Members that differ", "The board's modules"]
)
def test_each_row_has_a_state(heading):
    assert {state for _, state, _ in rows(heading)} <= STATES


def test_the_modules_of_npm_are_those_of_the_tests():
    (cells,) = rows("npm modules")
    shown = [match for cell in cells for match in re.findall(r"`([\w-]+)` ([\d.]+)", cell)]
    asked = json.loads(BATTERY.read_text())["dependencies"]
    plain = {
        (re.sub(r"-board$", "", name), version.rpartition("@")[2].rpartition(".")[0])
        for name, version in asked.items()
    }
    assert sorted(shown) == sorted(plain)


def refused():
    """The code that the page has for each call."""
    found = {}
    for calls, code in rows("What raises an error"):
        each = calls.split(", ") if re.search(r"` \w", calls) else [f"`{x}`" for x in names(calls)]
        found |= dict.fromkeys((call.replace("`", "") for call in each), code.strip("`"))
    return found


@pytest.mark.parametrize("radio", ["host", "cc3000-sim"])
def test_what_is_refused_has_the_code_that_is_shown(tmp_path, radio):
    done = run_on_device(tmp_path, (PROGRAMS / "refusals.js").read_text(), RADIO=radio)
    assert (done.code, json.loads(done.out)) == (0, refused())


def test_each_member_of_the_boards_wifi_has_a_row(tmp_path):
    text = """
    const wifi = require('wifi-cc3000');
    const all = Object.getOwnPropertyNames(Object.getPrototypeOf(wifi));
    const hidden = ['constructor', 'onEvent'];
    const shown = all.filter((name) => !name.startsWith('_') && !hidden.includes(name));
    console.log(JSON.stringify([shown, Object.keys(wifi).filter((name) => !name.startsWith('_'))]));
    """
    members, others = json.loads(run_on_device(tmp_path, text).out)
    shown = [name for first, _ in rows("Members of wifi-cc3000") for name in names(first)]
    assert (sorted(shown), others) == (sorted(members), [])


@needs_node_22
def test_nodes_classes_keep_their_members(tmp_path):
    done = run_on_device(tmp_path, (HERE / "members.js").read_text())
    seen = {where: {*all_} - BACK for where, all_ in json.loads(done.out)["classes"].items()}
    assert seen == {where: {*all_} for where, all_ in recorded("members.json")["classes"].items()}


def behaving_differently(folder, but):
    """The programs that see something else than recorded each time: some race with a clock."""
    want = recorded("behaviour.json")["results"]
    found = set(want)
    for _ in range(RUNS):
        done = run_on_device(folder, (HERE / "behaviour.js").read_text())
        seen = json.loads(done.out)["results"]
        assert seen.keys() == want.keys()
        found &= {name for name in seen if seen[name] != want[name]}
        if found <= but:
            break
    return found


@needs_node_22
def test_the_page_lists_the_programs_that_behave_differently(tmp_path):
    listed = {name for cell, _ in rows("What behaves differently") for name in names(cell)}
    racing = {"net: events of a connection"}
    found = behaving_differently(tmp_path, but=listed)
    assert listed - racing <= found <= listed


def test_the_page_says_how_many_programs_are_compared():
    assert f"[{len(recorded('behaviour.json')['results'])} small programs]" in PAGE
