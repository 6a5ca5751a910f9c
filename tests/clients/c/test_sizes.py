"""The C client is as small as docs/clients.md says, and within the limits of a small board."""

import pytest

from bench.c_client import COMPILERS, measured
from support.clients import c_build

MAX_CODE_BYTES = 12 * 1024
MAX_MEMORY_BYTES = 6 * 1024  # for eight substreams
PAGE = c_build.ROOT / "docs" / "clients.md"


@pytest.fixture(scope="module")
def sizes():
    if c_build.compiler() is None:
        pytest.skip("no C compiler")
    return {each.target: each for each in measured()}


@pytest.mark.parametrize("target", COMPILERS)
def test_it_fits_a_small_board_and_the_documents_say_so(sizes, target):
    if target not in sizes:
        pytest.skip(f"no {COMPILERS[target][0]} (Debian: gcc-arm-none-eabi)")
    assert sizes[target].code <= MAX_CODE_BYTES
    assert sizes[target].memory <= MAX_MEMORY_BYTES
    documented = next(
        line for line in PAGE.read_text().splitlines() if line.startswith(f"| {target} |")
    )
    _, _, code, memory, _ = documented.split("|")
    # another version of the compiler writes slightly different code
    assert int(code.replace(",", "")) == pytest.approx(sizes[target].code, rel=0.05)
    assert int(memory.replace(",", "")) == sizes[target].memory
