"""The examples in docstrings, README and tutorial run as they are written, on a local site."""

import ast
import re
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest
from twisted.internet.defer import succeed

from support.fake_board import powered_board
from support.one_page_site import serving_page
from support.pages import blocks

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "device/src/tessel"
EXAMPLE_SITE = "http://example.com/"
EXAMPLE_PORT = "8080"
BODY = b"a page\n"


@pytest.fixture(scope="module")
def site():
    with serving_page(BODY) as address:
        yield address


def in_docstrings():
    """(file, example) of each indented program in a docstring."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for block in indented(ast.get_docstring(node) or ""):
                    yield path.relative_to(SOURCES), block


def indented(text):
    found = re.findall(r"(?:^    .*\n?|^\n)+", text + "\n", re.MULTILINE)
    return [
        textwrap.dedent(block).strip() + "\n"
        for block in found
        if re.search(r"^    (from|import) ", block, re.MULTILINE)
    ]


def in_pages():
    pages = (ROOT / "README.md", ROOT / "docs" / "first-program.md")
    return [block for page in pages for block in blocks(page, "python") if EXAMPLE_SITE in block]


DOCSTRINGS = list(in_docstrings())
CLIENTS = [block for _, block in DOCSTRINGS if EXAMPLE_SITE in block] + in_pages()
SERVERS = [block for _, block in DOCSTRINGS if EXAMPLE_PORT in block]
OTHERS = [block for _, block in DOCSTRINGS if block not in CLIENTS + SERVERS]


def start(folder, example):
    (folder / "example.py").write_text(example)
    return subprocess.Popen(
        [sys.executable, "-m", "tessel", "run", "example.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_every_example_is_run():
    assert len(CLIENTS) >= 2
    assert len(DOCSTRINGS) == len(CLIENTS) - len(in_pages()) + len(SERVERS) + len(OTHERS)


@pytest.mark.filterwarnings("ignore:RADIO=host has no Wi-Fi")
@pytest.mark.filterwarnings("ignore:RADIO=host. wifi never emits connect")
@pytest.mark.parametrize("example", OTHERS)
def test_an_example_without_a_site_runs_on_a_board(example):
    with powered_board() as board:
        board.network.names["example.com"] = succeed(["192.0.2.1"])
        exec(compile(example, "example.py", "exec"), {})
        board.run()


@pytest.mark.parametrize("example", CLIENTS)
def test_an_example_that_reads_a_page_runs(tmp_path, site, example):
    with start(tmp_path, example.replace(EXAMPLE_SITE, site)) as process:
        written, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".py"]
    assert BODY in [written, *files]


@pytest.mark.parametrize("example", SERVERS)
def test_an_example_of_a_server_runs(tmp_path, example):
    listening = "server.on('listening', lambda: print(server.address()['port'], flush=True))\n"
    program = example.replace(EXAMPLE_PORT, "0") + listening
    with start(tmp_path, program) as process:
        port = int(process.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
            assert response.read() == b"hello"
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 0
