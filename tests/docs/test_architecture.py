"""docs/architecture.md: the files, functions and rooms that it names are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FILES = re.findall(r"`([\w-]+/src/[\w/]+\.(?:py|js))`", PAGE)
STEPS = re.findall(r"`([\w-]+/src/[\w/]+\.(?:py|js))`(?::| \()\s*`([\w.]+)`", PAGE)
IN_JAVASCRIPT = re.compile(r"^ *(?:function |prototype\.)?(\w+) ?(?:= function|\()", re.MULTILINE)
PACKAGES = {
    "streamplex": ROOT / "streamplex/src/streamplex",
    "tessel_proxy": ROOT / "proxy-service/src/tessel_proxy",
    "tessel": ROOT / "device/src/tessel",
}


def definitions(path):
    """Each function and method of a file: `name`, and `Class.name` as well if it is Python."""
    if path.suffix == ".js":
        return set(IN_JAVASCRIPT.findall(path.read_text()))
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            found |= methods | {f"{node.name}.{name}" for name in methods}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def rooms(package):
    """The folders in the table of a package."""
    table = PAGE[PAGE.index(f"| `{package}` | |\n") :].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()]
    return {room for cell in cells for room in re.findall(r"`(\w+)/`", cell)}


@pytest.mark.parametrize("file", sorted(set(FILES)))
def test_each_file_is_there(file):
    assert (ROOT / file).is_file()


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_each_step_is_in_its_file(file, name):
    assert name in definitions(ROOT / file)


def test_the_write_is_followed():
    assert len(STEPS) > 10


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_has_a_row(package):
    folder = PACKAGES[package]
    assert rooms(package) == {file.parent.name for file in folder.glob("*/__init__.py")}


@pytest.mark.parametrize(
    ("package", "contract"), [("tessel_proxy", "proxy-layers"), ("tessel", "device-layers")]
)
def test_the_order_of_rooms_is_the_contracts(package, contract):
    row = re.search(rf"^\| `{package}` \| `.+\| (.+) \|$", PAGE, re.MULTILINE)[1]
    config = (ROOT / ".importlinter").read_text()
    layers = config[config.index(f":contract:{contract}]") :].partition("\n\n")[0]
    in_contract = re.findall(r"[a-z0-9_]+", layers.partition("layers =")[2].replace("tessel.", ""))
    shown = re.findall(r"`(\w+)`", row)
    assert shown == [room for room in in_contract if room in shown]
    assert set(shown) == set(in_contract) & rooms(package)


def test_the_folders_beside_the_packages_are_there():
    beside = PAGE[PAGE.index("Beside them: ") :].partition("\n\n")[0]
    assert all((ROOT / name).exists() for name in re.findall(r"`([\w./-]+)`", beside))


def modules(folder):
    """The modules and rooms directly in a folder."""
    rooms = {file.parent.name for file in folder.glob("*/__init__.py")}
    return rooms | {file.stem for file in folder.glob("*.py")} - {"__init__"}


def test_only_the_tunnel_and_tls_of_the_device_may_import_streamplex():
    config = (ROOT / ".importlinter").read_text()
    section = config[config.index(":contract:device-tunnel]") :].partition("\n\n")[0]
    folder = PACKAGES["tessel"]
    network = modules(folder / "network") - {"tunneled", "secure", "tls_context", "trust"}
    others = modules(folder) - {"network"} | {f"network.{name}" for name in network}
    assert set(re.findall(r"^    tessel\.([\w.]+)$", section, re.MULTILINE)) == others
