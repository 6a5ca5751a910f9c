"""`pipe` to Python files: what is written, when a file is closed, and what its errors become."""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.node.stream import Readable

BYTES = bytes(range(256)) * 1000


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


def piped(board, file, *chunks, encoding=None, **options):
    source = Readable()
    if encoding is not None:
        source.set_encoding(encoding)
    sink = source.pipe(file, **options)
    heard = record(sink, "finish", "error", "close")
    for chunk in chunks:
        source.push(chunk)
        board.run()
    source.push(None)
    board.run()
    return heard


def test_a_binary_file_gets_all_bytes_and_is_closed(board, tmp_path):
    file = (tmp_path / "page").open("wb")
    heard = piped(board, file, BYTES, BYTES)
    assert heard == [("finish",), ("close",)]
    assert file.closed
    assert (tmp_path / "page").read_bytes() == BYTES + BYTES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_bytes_are_written_into_a_text_file_as_they_are(board, tmp_path, encoding):
    with (tmp_path / "page").open("w", encoding=encoding) as file:
        piped(board, file, BYTES)
    assert (tmp_path / "page").read_bytes() == BYTES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_text_is_written_in_the_files_own_encoding(board, tmp_path, encoding):
    with (tmp_path / "page").open("w", encoding=encoding) as file:
        file.write("first ")
        piped(board, file, "gr\xfc\xdfe ".encode(), "\xe9".encode(), encoding="utf8")
    assert (tmp_path / "page").read_text(encoding) == "first gr\xfc\xdfe \xe9"


def test_bytes_in_memory_can_be_read_afterwards(board):
    file = io.BytesIO()
    assert piped(board, file, b"one", b"two") == [("finish",), ("close",)]
    assert file.getvalue() == b"onetwo"


def test_text_in_memory_is_decoded_though_a_character_is_cut(board):
    file = io.StringIO()
    piped(board, file, b"gr\xc3", b"\xbc\xc3\x9fe")
    assert file.getvalue() == "gr\xfc\xdfe"


def test_a_temporary_file_stays_open(board):
    with tempfile.TemporaryFile() as file, tempfile.NamedTemporaryFile() as named:
        piped(board, file, b"one")
        piped(board, named, b"two")
        file.seek(0)
        assert file.read() == b"one"
        assert Path(named.name).read_bytes() == b"two"


def test_a_file_without_a_buffer_gets_all_of_it(board, tmp_path):
    class Slow(io.FileIO):
        def write(self, data):
            return super().write(bytes(data)[:7])

    piped(board, Slow(tmp_path / "page", "w"), BYTES[:100])
    assert (tmp_path / "page").read_bytes() == BYTES[:100]


def test_any_object_that_writes_is_a_file(board):
    class Log:
        def __init__(self):
            self.lines = []

        def write(self, data):
            self.lines.append(bytes(data))

    log = Log()
    piped(board, log, b"one", b"two")
    assert log.lines == [b"one", b"two"]


def test_without_an_end_the_file_stays_open_and_has_it_all(board, tmp_path):
    with (tmp_path / "page").open("wb") as file:
        assert piped(board, file, b"one", end=False) == []
        assert (tmp_path / "page").read_bytes() == b"one"
        file.write(b"two")
    assert (tmp_path / "page").read_bytes() == b"onetwo"


def test_what_came_of_a_source_that_was_cut_is_in_the_file(board, tmp_path):
    with (tmp_path / "page").open("wb") as file:
        source = Readable()
        source.pipe(file)
        source.push(b"part")
        board.run()
        source.destroy()
        board.run()
        assert (tmp_path / "page").read_bytes() == b"part"
        assert not file.closed


def test_a_file_can_be_unpiped(board):
    file = io.BytesIO()
    source = Readable()
    sink = source.pipe(file)
    unpiped = record(sink, "unpipe")
    source.push(b"one")
    board.run()
    source.unpipe(file)
    source.push(b"two")
    board.run()
    assert file.getvalue() == b"one"
    assert len(unpiped) == 1


def test_a_full_disk_is_the_sinks_error(board):
    with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123 - as programs write it
        heard = piped(board, file, b"one", b"two")
    assert [event[0] for event in heard] == ["error", "close"]
    assert heard[0][1].code == "ENOSPC"


def test_a_full_disk_seen_at_the_end_is_an_error_too(board):
    file = open("/dev/full", "wb")  # noqa: PTH123, SIM115 - the pipe closes it
    heard = piped(board, file, b"one")
    assert heard[0][1].code == "ENOSPC"
    assert file.closed


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_a_file_that_is_not_open_for_writing_is_an_error(board, tmp_path, mode):
    (tmp_path / "page").write_bytes(b"")
    with (tmp_path / "page").open(mode) as file:
        heard = piped(board, file, b"one")
    assert isinstance(heard[0][1], NodeError)


def test_a_closed_file_is_an_error(board, tmp_path):
    with (tmp_path / "page").open("wb") as file:
        pass
    heard = piped(board, file, b"one")
    assert "closed file" in str(heard[0][1])


@pytest.mark.parametrize("wrong", [None, 5, "page.html", b"", object()])
def test_what_is_neither_stream_nor_file_is_refused_at_once(board, wrong):
    with pytest.raises(TypeError, match="a stream or a file"):
        Readable().pipe(wrong)


PROGRAM = """
import sys
from tessel.node.stream import Readable
source = Readable()
print("before")
source.pipe(sys.stdout).on("finish", lambda: print("after"))
source.push(b"gr\\xc3\\xbc\\xdf\\n")
source.push(None)
"""


def test_standard_output_gets_the_bytes_in_order_and_stays_open(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "tessel", "run", tmp_path / "program.py"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"before\ngr\xc3\xbc\xdf\nafter\n"
