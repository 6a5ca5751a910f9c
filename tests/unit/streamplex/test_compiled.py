"""The core that the tests run is the one that was asked for, and a switch chooses the wheel."""

import os
import pkgutil
from importlib import import_module, util
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
from pathlib import Path

import pytest

import streamplex

PACKAGE = Path(__file__).parents[3] / "streamplex"
CORE = sorted(
    module.name
    for module in pkgutil.iter_modules(streamplex.__path__)
    if not module.ispkg and module.name != "testing"
)


@pytest.fixture
def backend():
    spec = util.spec_from_file_location("build_backend", PACKAGE / "build_backend.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CORE)
def test_the_core_is_compiled_exactly_if_it_is_to_be(name):
    is_compiled = os.environ.get("STREAMPLEX_COMPILED") == "1"  # set by `make compiled-test`
    loader = import_module(f"streamplex.{name}").__spec__.loader
    assert type(loader) is (ExtensionFileLoader if is_compiled else SourceFileLoader)


def test_the_pure_wheel_needs_no_compiler(backend, monkeypatch):
    monkeypatch.chdir(PACKAGE)
    for value in ("", "0"):
        monkeypatch.setenv("STREAMPLEX_COMPILED", value)
        assert backend.get_requires_for_build_wheel() == []


def test_a_switch_asks_for_the_compiled_wheel(backend, monkeypatch):
    monkeypatch.setenv("STREAMPLEX_COMPILED", "1")
    assert [need.split(">")[0] for need in backend.get_requires_for_build_wheel()] == [
        "setuptools",
        "mypy",
    ]


def test_another_value_is_refused(backend, monkeypatch):
    monkeypatch.setenv("STREAMPLEX_COMPILED", "yes")
    with pytest.raises(SystemExit, match="STREAMPLEX_COMPILED=yes: expected 1"):
        backend.build_wheel("anywhere")
