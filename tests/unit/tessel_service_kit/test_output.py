"""Lines for descriptors that accept them, block, or fail."""

import os
import select
import time
from contextlib import suppress

import pytest

from lab.waiting import eventually
from tessel_service_kit.output import MAX_WAITING_BYTES, PIECE_BYTES, LineOutput, descriptor_of

LINE = "x" * 99 + "\n"
PLENTY = 2 * MAX_WAITING_BYTES // len(LINE)  # lines: more than wait, and than a pipe holds


def report(count):
    return f"{count} dropped\n"


class Pipe:
    """A pipe, and what writes to it."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        self.output = LineOutput(self.writer, report)

    def read_until(self, end):
        data = b""
        while not data.endswith(end):
            data += os.read(self.reader, 1024 * 1024)
        return data.decode()

    def close(self):
        for descriptor in (self.reader, self.writer):
            with suppress(OSError):  # a test has closed it
                os.close(descriptor)


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    with suppress(OSError):
        os.close(pipe.reader)  # a thread that waits for it gets EPIPE, and is done
    pipe.output.flush(5)
    pipe.close()


def write_plenty(output):
    """So many lines, most of them when the pipe is full."""
    first = 3 * PIECE_BYTES // len(LINE)
    for _ in range(first):
        output.write(LINE)
    eventually(lambda: not select.select([], [output._descriptor], [], 0)[1])
    for _ in range(PLENTY - first):
        output.write(LINE)


def test_lines_are_written_in_their_order(pipe):
    for number in range(1000):
        pipe.output.write(f"{number}\n")
    assert pipe.read_until(b"999\n") == "".join(f"{number}\n" for number in range(1000))


def test_characters_that_cannot_be_encoded_are_escaped(pipe):
    pipe.output.write("é \udc80\n")
    assert pipe.read_until(b"\n") == "é \\udc80\n"


def test_a_stalled_reader_blocks_nobody_and_the_queue_is_limited(pipe):
    began = time.monotonic()
    write_plenty(pipe.output)
    assert time.monotonic() - began < 5
    assert pipe.output._held <= MAX_WAITING_BYTES
    assert pipe.output.dropped >= PLENTY - (MAX_WAITING_BYTES + 2 * PIECE_BYTES) / len(LINE)


def test_when_the_reader_goes_on_one_line_reports_the_dropped_ones(pipe):
    write_plenty(pipe.output)
    dropped = pipe.output.dropped
    text = pipe.read_until(report(dropped).encode())
    assert text == LINE * (PLENTY - dropped) + report(dropped)
    pipe.output.write(LINE)
    assert pipe.read_until(b"\n") == LINE
    assert pipe.output.dropped == dropped


def test_a_report_precedes_the_first_line_after_the_loss(pipe):
    write_plenty(pipe.output)
    os.read(pipe.reader, 2 * PIECE_BYTES)
    eventually(lambda: pipe.output._held < MAX_WAITING_BYTES)
    dropped = pipe.output.dropped
    pipe.output.write("last\n")
    assert pipe.read_until(b"last\n").endswith(f"{LINE}{report(dropped)}last\n")


def test_a_flush_waits_until_lines_are_written(pipe):
    pipe.output.write(LINE)
    pipe.output.flush()
    assert os.read(pipe.reader, 1000) == LINE.encode()


@pytest.fixture
def slow_to_write(monkeypatch):
    monkeypatch.setattr("tessel_service_kit.output.GATHER_S", 60)


def pieces_written(monkeypatch):
    pieces = []

    def write(_descriptor, data):
        pieces.append(bytes(data))
        return len(data)

    monkeypatch.setattr("tessel_service_kit.output.os.write", write)
    return pieces


def test_lines_in_quick_succession_are_written_together(pipe, slow_to_write, monkeypatch):
    pieces = pieces_written(monkeypatch)
    for _ in range(3):
        pipe.output.write(LINE)
    pipe.output.flush()  # does not wait for more lines
    assert pieces == [LINE.encode() * 3]


def test_a_full_piece_is_written_without_waiting(pipe, slow_to_write, monkeypatch):
    pieces = pieces_written(monkeypatch)
    for _ in range(PIECE_BYTES // len(LINE) + 1):
        pipe.output.write(LINE)
    eventually(lambda: pieces)


def test_a_flush_waits_for_a_limited_time(pipe):
    write_plenty(pipe.output)
    began = time.monotonic()
    pipe.output.flush(within_s=0.2)
    assert 0.2 <= time.monotonic() - began < 5


def test_a_closed_pipe_raises_nothing(pipe):
    os.close(pipe.reader)
    for _ in range(3):
        pipe.output.write(LINE)
        pipe.output.flush()
    assert pipe.output.dropped == 3


def test_a_closed_descriptor_raises_nothing(pipe):
    os.close(pipe.writer)
    pipe.output.write(LINE)
    pipe.output.flush()
    assert pipe.output.dropped == 1


def test_a_pipe_that_another_process_has_made_non_blocking_gets_all_lines(pipe):
    os.set_blocking(pipe.writer, False)
    count = MAX_WAITING_BYTES // len(LINE) - 1
    for _ in range(count):
        pipe.output.write(LINE)
    pipe.output.write("last\n")
    assert pipe.read_until(b"last\n") == LINE * count + "last\n"


def test_a_full_disk_raises_nothing():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        output = LineOutput(descriptor, report)
        for _ in range(3):
            output.write(LINE)
            output.flush()
        assert (output.dropped, output._held) == (3, 0)
    finally:
        os.close(descriptor)


def test_without_a_descriptor_all_lines_are_dropped():
    output = LineOutput(None, report)
    output.write(LINE)
    output.flush()
    assert output.dropped == 1


class FillingDisk(LineOutput):
    """A disk with room for so many bytes."""

    def __init__(self, room):
        super().__init__(0, report)
        self.room, self.written = room, b""

    def _write_some(self, data):
        written = bytes(data[: self.room])
        if not written:
            raise OSError
        self.room -= len(written)
        self.written += written
        return len(written)


def test_a_line_that_was_cut_does_not_merge_with_the_next_one():
    disk = FillingDisk(room=6)
    for text in ("one\n", "two\n", "three\n"):
        disk.write(text)
        disk.flush()
    assert (disk.written, disk.dropped) == (b"one\ntw", 2)
    disk.room = 100
    disk.write("four\n")
    disk.flush()
    assert disk.written == b"one\ntw\n2 dropped\nfour\n"


def test_a_lost_report_is_repeated_with_the_total_count():
    disk = FillingDisk(room=0)
    for _ in range(3):
        disk.write(LINE)
        disk.flush()
    disk.room = 1000
    disk.write(LINE)
    disk.flush()
    assert disk.written.decode() == "3 dropped\n" + LINE
    assert disk.dropped == 3


def test_a_stream_that_was_closed_has_no_descriptor(tmp_path):
    file = (tmp_path / "log").open("w")
    assert descriptor_of(file) == file.fileno()
    file.close()
    assert descriptor_of(file) is None
    assert descriptor_of(None) is None
