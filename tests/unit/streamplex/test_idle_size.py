"""The memory of an idle tunnel's core: thousands of tunnels wait on one proxy."""

import gc
import tracemalloc
from importlib.machinery import SourceFileLoader

import pytest

from streamplex import Side, TunnelCore, Windows, tunnel
from streamplex.conversation import decode_hello
from streamplex.conversation.negotiation import FEATURES

TUNNELS = 50
IS_PURE = isinstance(tunnel.__spec__.loader, SourceFileLoader)
MOST_BYTES = 1500 if IS_PURE else 2500
"""Of a core with all features: a deque, or a set of names, would each add 216 to 760.
Objects of the compiled core are larger."""


def cores(count):
    windows = Windows()
    for number in range(count):
        core = TunnelCore(Side.A)
        hello = decode_hello({"token": f"token {number}", "features": list(FEATURES)})
        core.enable(hello.common, windows, hello.window)
        yield core, hello.common


@pytest.mark.skipif(tracemalloc.is_tracing(), reason="another tool traces memory")
def test_the_core_of_an_idle_tunnel_takes_few_bytes():
    kept = list(cores(1))
    gc.collect()
    tracemalloc.start()
    try:
        kept += cores(TUNNELS)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / TUNNELS < MOST_BYTES
