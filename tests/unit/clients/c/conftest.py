"""The C client, compiled once for all tests."""

import pytest

from support.clients.c_build import compiler
from support.clients.c_client import compile_library


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The client as a shared library."""
    if compiler() is None:
        pytest.skip("no C compiler")
    return compile_library(tmp_path_factory.mktemp("c"))
