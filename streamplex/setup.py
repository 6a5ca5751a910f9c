"""The compiled wheel: build_backend.py calls it, and pyproject.toml has all that it does not say.

The core is compiled, that is, the modules of the package without those of its folders: they know
neither Twisted nor dictionaries of any shape, so their types are what runs. `testing` is not part
of what runs.
"""

from pathlib import Path

from mypyc.build import mypycify
from setuptools import setup

PURE = {"__init__.py", "testing.py"}

core = sorted(
    str(module) for module in Path("src/streamplex").glob("*.py") if module.name not in PURE
)

setup(
    ext_modules=mypycify(core, group_name="streamplex"),
    package_data={"streamplex": ["py.typed"]},
)
