"""docs/node.md names all differences from Node that the comparison finds, and no others."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.node import HERE, ask, http_bytes, is_of_the_record, members, node, recorded

PAGE = (Path(__file__).parents[2] / "docs/node.md").read_text()
RUNS = 3
NODES_MEMBERS = recorded("members.json")["classes"]
NODES_BEHAVIOUR = recorded("behaviour.json")["results"]


def rows(heading):
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = re.findall(r"^\| (`.+?) \| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return [(re.findall("`([^`]+)`", first), second, third) for first, second, third in table]


def test_the_page_lists_the_members_that_are_missing():
    listed = {where: [] for where in NODES_MEMBERS}
    for classes, names, _ in rows("Members that are missing"):
        for where in classes:
            listed[where] += re.findall("`([^`]+)`", names)
    found = {where: sorted(names) for where, names in listed.items()}
    assert found == members.missing(NODES_MEMBERS)


def on_device():
    done = subprocess.run(
        [sys.executable, "-m", "tessel", "run", HERE / "behaviour_program.py"],
        env={**os.environ, "RADIO": "host"},
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def different(run, but=frozenset()):
    """The programs that see anything else than recorded. Those that race with a clock may do so on
    a busy machine: a program is different if it is so each time.
    """
    found = set(NODES_BEHAVIOUR)
    for _ in range(RUNS):
        seen = run()
        assert seen.keys() == NODES_BEHAVIOUR.keys()
        found &= {name for name in seen if seen[name] != NODES_BEHAVIOUR[name]}
        if found <= but:
            break
    return found


def test_the_page_lists_what_behaves_differently():
    listed = {name for names, _, _ in rows("What behaves differently") for name in names}
    assert listed == different(on_device, but=listed) | _different_bytes()


def _different_bytes():
    nodes, ours = recorded("http_bytes.json")["results"], http_bytes.on_device()
    return {name for part in ours for name in ours[part] if ours[part][name] != nodes[part][name]}


def test_the_page_says_how_much_is_compared():
    assert f"{len(NODES_BEHAVIOUR)} small programs" in PAGE
    assert f"{len(http_bytes.SERVER) + len(http_bytes.CLIENT)} byte sequences" in PAGE


@pytest.mark.skipif(not is_of_the_record(), reason="TESSEL_NODE or PATH has another Node than 22")
def test_the_record_is_what_node_22_says():
    assert ask(node(), "members.js")["classes"] == NODES_MEMBERS
    assert different(lambda: ask(node(), "behaviour.js")["results"]) == set()
