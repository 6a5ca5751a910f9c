"""The command `tessel`, and the environment in which tests run it."""

import os
import sys
from pathlib import Path

TESSEL = str(Path(sys.executable).with_name("tessel"))
EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 30


def environment(**more):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"RADIO": "host"} | more
