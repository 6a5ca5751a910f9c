"""The build backend: flit_core for the pure wheel, setuptools and mypyc for the compiled one.

A wheel is pure unless STREAMPLEX_COMPILED=1 is set, and then its core is compiled (setup.py). All
else is flit_core's: the source distribution, editable installs. Both read pyproject.toml alone.
"""

import os

from flit_core import buildapi as pure
from flit_core.buildapi import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
]

SWITCH = "STREAMPLEX_COMPILED"

COMPILERS = ["setuptools>=77", "mypy>=2"]
"""setuptools 77 is the first that reads the license as pyproject.toml states it."""


def is_compiled() -> bool:
    """Return whether the wheel to build is the compiled one. Raises SystemExit for other values."""
    value = os.environ.get(SWITCH, "")
    if value not in {"", "0", "1"}:
        raise SystemExit(f"{SWITCH}={value}: expected 1 (compiled) or 0 (pure)")
    return value == "1"


def get_requires_for_build_wheel(config_settings: dict[str, str] | None = None) -> list[str]:
    """Return what the wheel needs in addition to pyproject.toml's `requires`."""
    return COMPILERS if is_compiled() else pure.get_requires_for_build_wheel(config_settings)


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel into `wheel_directory`. Return its file's name."""
    if not is_compiled():
        return pure.build_wheel(wheel_directory, config_settings, metadata_directory)
    from setuptools import build_meta as compiled  # noqa: PLC0415 -- the pure wheel needs none

    return compiled.build_wheel(wheel_directory, config_settings, metadata_directory)
