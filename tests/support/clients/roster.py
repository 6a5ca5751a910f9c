"""The clients that run the battery: the command of each driver, and why it cannot run here."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.clients import c_build

TESTS = Path(__file__).parents[2]
REPOSITORY = TESTS.parent


@dataclass(frozen=True)
class Client:
    """A client. `command` starts its driver; `missing` says why that is impossible, if it is."""

    name: str
    command: Callable[[], list[str]]
    missing: Callable[[], str] = lambda: ""


def _device():
    return ["env", f"PYTHONPATH={TESTS}", sys.executable, "-m", "support.clients.device_driver"]


def micropython():
    """Return the path of a MicroPython: of the virtual environment, or of the system; or None."""
    beside = Path(sys.executable).with_name("micropython")
    return str(beside) if beside.exists() else shutil.which("micropython")


def _micropython():
    module = REPOSITORY / "clients/micropython"
    driver = TESTS / "support/clients/micropython_driver.py"
    return ["env", f"MICROPYPATH={module}:.frozen", micropython(), str(driver)]


def _no_micropython():
    return "" if micropython() else "no MicroPython; make clients-test installs one"


CLIENTS = {
    client.name: client
    for client in (
        Client("device", _device),
        Client("c", c_build.driver, c_build.missing),
        Client("micropython", _micropython, _no_micropython),
    )
}
DEFAULT = "device"


def chosen(names):
    """Return the clients with these names, separated by commas. "all": every client."""
    if names == "all":
        return list(CLIENTS.values())
    unknown = set(names.split(",")) - set(CLIENTS)
    if unknown:
        raise ValueError(f"unknown clients {sorted(unknown)}; known: {', '.join(CLIENTS)}")
    return [CLIENTS[name] for name in names.split(",")]
