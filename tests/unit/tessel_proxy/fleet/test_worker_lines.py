"""A worker's standard error: its log lines, and what else its process writes there."""

import pytest

from tessel_proxy.fleet.worker_lines import MAX_OTHER_BYTES, MAX_PART_BYTES, WorkerLines
from tessel_service_kit.logs import LogFormat


@pytest.fixture
def written():
    return []


@pytest.fixture
def lines(written):
    return WorkerLines(2, LogFormat.JSON, written.append)


RECORDS = b'{"event":"a"}\n{"event":"b"}\n'
TRACEBACK = b"Traceback (most recent call last):\n  File x\nImportError: y\n"


def test_lines_are_passed_on_whole_byte_by_byte_too(lines, written, logged):
    lines.received(RECORDS)
    for byte in RECORDS:
        lines.received(bytes([byte]))
    assert b"".join(written) == RECORDS * 2
    assert logged.named("worker_wrote") == []


def test_other_text_among_json_becomes_a_line_of_its_own(lines, written, logged):
    lines.received(TRACEBACK[:40])
    lines.received(TRACEBACK[40:])
    lines.received(RECORDS)
    assert b"".join(written) == RECORDS
    (line,) = logged.named("worker_wrote")
    assert (line["worker"], line["text"]) == (2, TRACEBACK.decode().rstrip())


def test_other_text_at_the_end_is_logged_and_long_text_in_parts(lines, logged):
    lines.received(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (MAX_OTHER_BYTES // 100) + b"the end")
    lines.ended()
    first, last = (line["text"] for line in logged.named("worker_wrote"))
    assert MAX_OTHER_BYTES <= len(first) <= MAX_OTHER_BYTES + 100
    assert last == "the end"


def test_text_for_people_is_passed_on_as_it_is(written, logged):
    lines = WorkerLines(2, LogFormat.TEXT, written.append)
    lines.received(TRACEBACK)
    lines.ended()
    assert (written, logged.named("worker_wrote")) == ([TRACEBACK], [])


def test_a_line_without_an_end_is_written_in_parts(written):
    lines = WorkerLines(2, LogFormat.TEXT, written.append)
    lines.received(b"x" * (MAX_PART_BYTES + 1))
    assert written == [b"x" * (MAX_PART_BYTES + 1) + b"\n"]
