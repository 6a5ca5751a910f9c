"""Programs with sockets: run on plain Node and on a device, against the same servers.

What they print must be the same. `servers.js` are the servers, `at.js` is shared by the programs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from support.node import node

HERE = Path(__file__).parent
PATIENCE_S = 60


class Servers:
    """The servers in a Node process, until `close`."""

    def __init__(self):
        self._process = subprocess.Popen(
            [node(), HERE / "servers.js"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.environ = {"PORTS": self._process.stdout.readline()}
        self.ports = json.loads(self.environ["PORTS"])

    def close(self):
        self._process.communicate(timeout=PATIENCE_S)


def on_node(program, environ):
    """Run a program on plain Node; return the lines that it printed, and its errors."""
    return _run([node(), HERE / program], environ)


def on_device(program, environ):
    """Run a program on a device; return the lines that it printed, and its errors."""
    return _run([sys.executable, "-m", "tessel", "run", HERE / program], environ)


def _run(command, environ):
    done = subprocess.run(
        command,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout.splitlines(), done.stderr
