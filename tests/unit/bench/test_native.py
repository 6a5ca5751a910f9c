"""The bench's client and site are in C; nothing else in the tests compiles them."""

import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[3] / "bench" / "native"
COMPILER = shutil.which("cc")
HEADERS = {"counted.c": "#include <valgrind/callgrind.h>\n"}
OPENSSL = "#include <openssl/ssl.h>\n"


def compiled(*arguments, text=None):
    command = [COMPILER, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
@pytest.mark.parametrize("source", sorted(NATIVE.glob("*.c")), ids=lambda path: path.name)
def test_each_source_compiles_without_warnings(source):
    headers = HEADERS.get(source.name, OPENSSL)
    if compiled("-x", "c", "-", text=headers).returncode != 0:
        pytest.skip(f"needs a header: {headers.strip()}")
    done = compiled(source)
    assert done.returncode == 0, done.stderr
