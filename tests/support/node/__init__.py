"""Run programs with a real Node, to compare their results with the device's."""

import json
import os
import subprocess
from pathlib import Path

from tessel.javascript.find_node import find_node

HERE = Path(__file__).parent
RECORDED_ON = 22  # the major version
PATIENCE_S = 100


def node():
    """Return the path of the Node that runs JavaScript programs; `make setup` installs one."""
    return find_node(os.environ).path


def is_of_the_record():
    """Return whether that Node is of the version that the results are recorded on."""
    return find_node(os.environ).version[0] == RECORDED_ON


def ask(path, script, given=None, **environ):
    """Run a script of this folder with `given` as JSON; return its result."""
    done = subprocess.run(
        [path, HERE / script],
        input=json.dumps(given),
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return json.loads(done.stdout)


def recorded(name):
    """Return the recorded result of Node 22."""
    return json.loads((HERE / name).read_text())
