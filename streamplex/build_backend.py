"""The build backend: flit_core for the pure wheel, setuptools and mypyc for the compiled one.

A wheel is pure unless STREAMPLEX_COMPILED=1 is set: then its core is compiled, see setup.py. The
source distribution and editable installs are always flit_core's. Both read pyproject.toml.
"""

import os
from types import ModuleType

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
    "prepare_metadata_for_build_wheel",
]

SWITCH = "STREAMPLEX_COMPILED"

COMPILERS = ["setuptools>=77", "mypy>=2"]
"""setuptools 77 is the first that accepts pyproject.toml's form of the license."""


def get_requires_for_build_wheel(config_settings: dict[str, str] | None = None) -> list[str]:
    """Return what the wheel needs in addition to pyproject.toml's `requires`."""
    return COMPILERS if _is_compiled() else pure.get_requires_for_build_wheel(config_settings)


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, str] | None = None
) -> str:
    """Write the wheel's metadata into a folder. Return the name of the folder within it."""
    return _backend().prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel into a folder. Return its file's name."""
    return _backend().build_wheel(wheel_directory, config_settings, metadata_directory)


def _backend() -> ModuleType:
    if not _is_compiled():
        return pure
    from setuptools import build_meta  # noqa: PLC0415 -- the pure wheel is built without it

    return build_meta


def _is_compiled() -> bool:
    value = os.environ.get(SWITCH, "")
    if value not in {"", "0", "1"}:
        raise SystemExit(f"{SWITCH}={value}: expected 1 (compiled) or 0 (pure)")
    return value == "1"
