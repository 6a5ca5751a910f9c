"""The table of the emulated chip's quirks matches the code: names, order and both values."""

import re
from dataclasses import fields
from pathlib import Path

from tessel.emulator.profiles import PROFILES
from tessel.emulator.quirks import Quirks

TEXT = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()
CELLS = re.compile(r"^\| `(\w+)` \| `(.*)` \| `(.*)` \| (.+) \| (.+) \|$", re.MULTILINE)


def shown(value):
    return str(int(value)) if type(value) is not bool and isinstance(value, int) else repr(value)


def test_each_quirk_stands_in_the_table_with_its_values_and_a_source():
    ideal, chip = PROFILES["ideal"].quirks, PROFILES["cc3000"].quirks
    rows = [(name, one, other) for name, one, other, _, source in CELLS.findall(TEXT) if source]
    assert rows == [
        (field.name, shown(getattr(ideal, field.name)), shown(getattr(chip, field.name)))
        for field in fields(Quirks)
    ]


def test_each_profile_is_named():
    assert all(f"| `{name}`" in TEXT for name in PROFILES)
