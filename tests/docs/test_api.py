"""docs/api/: each public module has a part, and each part is of a module that can be imported."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import streamplex
import tessel

API = Path(__file__).parents[2] / "docs" / "api"


def documented(page):
    return re.findall(r"^\.\. automodule:: (\S+)$", (API / page).read_text(), re.MULTILINE)


def test_each_module_for_programs_has_a_part():
    assert {f"tessel.node.{name}" for name in tessel.__all__} <= set(documented("tessel.md"))


def test_the_library_has_its_core_its_conversation_and_its_binding():
    expected = {streamplex.__name__, "streamplex.conversation", "streamplex.tx"}
    assert expected <= set(documented("streamplex.md"))


@pytest.mark.parametrize("module", documented("tessel.md") + documented("streamplex.md"))
def test_each_part_is_of_a_module_that_is_there(module):
    assert import_module(module).__doc__
