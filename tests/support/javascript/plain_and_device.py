"""Programs in files, run on plain Node and on a device against the same servers, to compare."""

import json
import os
import subprocess
import sys

from support.node import node

PATIENCE_S = 60


class Servers:
    """The servers of `servers.js` in a folder, in a Node process, until `close`."""

    def __init__(self, folder, *arguments):
        self._process = subprocess.Popen(
            [node(), folder / "servers.js", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.environ = {"PORTS": self._process.stdout.readline()}
        self.ports = json.loads(self.environ["PORTS"])

    def close(self):
        self._process.communicate(timeout=PATIENCE_S)


def on_node(program, environ):
    """Run a program on plain Node; return what it printed, and its errors."""
    return _run([node(), program], environ)


def on_device(program, environ):
    """Run a program on a device; return what it printed, and its errors."""
    return _run([sys.executable, "-m", "tessel", "run", program], environ)


def _run(command, environ):
    done = subprocess.run(
        command,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout, done.stderr
