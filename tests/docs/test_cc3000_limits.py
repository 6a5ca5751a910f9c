"""docs/cc3000.md names limits that are in the code, where it says, with the values it says."""

import re
from importlib import import_module
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parent.parent.parent / "docs/cc3000.md"
ROW = re.compile(r"^\| (`[A-Z_`, ]+`) \| ([^|]+) \| (\w+)\.py \|", re.MULTILINE)
DRIVER = {"buffers", "driver", "link", "pending_command", "wlan"}
ROWS = [
    (name, told, module)
    for names, told, module in ROW.findall(DOCUMENT.read_text())
    for name in re.findall(r"[A-Z_]+", names)
]


def test_the_table_is_found():
    assert len(ROWS) > 12


@pytest.mark.parametrize(("name", "told", "module"), ROWS)
def test_each_limit_is_where_the_table_says_and_as_large(name, told, module):
    package = "tessel.cc3000" if module in DRIVER else "tessel.radio.cc3000"
    value = getattr(import_module(f"{package}.{module}"), name)
    # as it is, or in milliseconds or KiB
    assert {value, value * 1000, value / 1024} & {float(n) for n in re.findall(r"\d+", told)}
