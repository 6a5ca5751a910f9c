"""Measure the memory and the code size of the C client: `python -m bench.c_client`.

It prints the rows of the table in docs/clients.md, one for each compiler that is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "clients" / "c" / "src" / "streamplex.c"
STREAMS = 8
OUTPUT_BYTES = 1024
NO_UNWINDING = "-fno-asynchronous-unwind-tables"  # tables that only debuggers and C++ need

COMPILERS = {
    "x86-64": ["cc", NO_UNWINDING],
    "Cortex-M0+": ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb"],
    "Cortex-M4": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
}
MEASURED = f"""
#include "streamplex.h"
char tunnel[sizeof(spx_tunnel)];
char streams[{STREAMS} * sizeof(spx_stream)];
char output[{OUTPUT_BYTES}];
"""


@dataclass(frozen=True)
class Sizes:
    """The bytes that the client takes with one compiler. `code` includes its constants."""

    target: str
    code: int
    memory: int

    @property
    def row(self) -> str:
        """The row of the table in docs/clients.md."""
        return f"| {self.target} | {self.code:,} | {self.memory:,} |"


def measured() -> list[Sizes]:
    """Return the sizes for each compiler that is installed."""
    installed = {
        target: command for target, command in COMPILERS.items() if shutil.which(command[0])
    }
    return [_measure(target, command) for target, command in installed.items()]


def _measure(target: str, command: list[str]) -> Sizes:
    with tempfile.TemporaryDirectory() as folder:
        compiled, memory = Path(folder) / "code.o", Path(folder) / "memory.o"
        options = [*command, "-std=c99", "-Os", f"-I{SOURCE.parent}", "-c"]
        subprocess.run([*options, str(SOURCE), "-o", str(compiled)], check=True)
        from_text = [*options, "-fno-common", "-xc", "-", "-o", str(memory)]
        subprocess.run(from_text, input=MEASURED.encode(), check=True)
        size = "arm-none-eabi-size" if command[0].startswith("arm") else "size"
        return Sizes(target, sum(_sections(size, compiled)), sum(_sections(size, memory)))


def _sections(size: str, compiled: Path) -> tuple[int, int, int]:
    printed = subprocess.run(
        [size, str(compiled)], check=True, capture_output=True, text=True
    ).stdout
    code, data, bss = (int(each) for each in printed.splitlines()[1].split()[:3])
    return code, data, bss


if __name__ == "__main__":
    for each in measured():
        print(each.row)
