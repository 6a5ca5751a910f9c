"""Run the text of a JavaScript program with `tessel run`, or with plain Node to compare."""

import os
import subprocess
import sys
from dataclasses import dataclass

from support.node import node

PATIENCE_S = 60


@dataclass(frozen=True)
class Ran:
    """How a program ended, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """The lines of standard output."""
        return self.out.splitlines()


def run_on_device(folder, text, *arguments, name="program.js", **environ):
    """Run a program on a device, over `RADIO=host` unless `environ` names another radio."""
    command = [sys.executable, "-m", "tessel", "run"]
    (folder / name).write_text(text)
    return _ran([*command, name, *arguments], folder, {"RADIO": "host"} | environ)


def run_on_node(folder, text, *arguments, name="program.js", **environ):
    """Run a program with plain Node, without a device."""
    (folder / name).write_text(text)
    return _ran([node(), name, *arguments], folder, environ)


def _ran(command, folder, environ):
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
