"""Whatever the proxy sends: the client neither crashes nor hangs, and its memory does not grow."""

import pytest

CASES = 1_500
MAX_GROWTH_BYTES = 4_000  # to keep two bytes of each case would be more


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_frames(python, seed):
    printed = python.run("fuzz", seed, CASES)
    assert int(printed.split()[1]) < MAX_GROWTH_BYTES


def test_mutated_frames_in_a_small_heap(python):
    """Deep nesting may not fit: then the tunnel is lost, and the program goes on."""
    printed = python.run("fuzz", 3, 500, options=["-X", "heapsize=200k"])
    assert int(printed.split()[1]) < MAX_GROWTH_BYTES
