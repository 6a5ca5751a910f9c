"""What only the compiled wheel needs (build_backend.py). All else is in pyproject.toml.

Compiled is the core: the package's modules without those in its folders, which run seldom or belong
to Twisted. `testing` is for tests.
"""

from pathlib import Path

from mypyc.build import mypycify
from setuptools import setup

PURE = {"__init__.py", "testing.py"}

setup(
    ext_modules=mypycify(
        sorted(str(file) for file in Path("src/streamplex").glob("*.py") if file.name not in PURE),
        group_name="streamplex",
    ),
    package_data={"streamplex": ["py.typed"]},
)
