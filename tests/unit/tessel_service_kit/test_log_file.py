"""The log in a file that is renamed when it is full."""

import os
import stat
from errno import ENOSPC
from pathlib import Path

import pytest

from lab.waiting import eventually
from tessel_service_kit.log_file import KEPT_FILES, FileOutput, why_unusable


def report(count):
    return f"{count} dropped\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "proxy.log"


def write(path, *lines, max_bytes=1000):
    """Each line is written by itself, as those of a quiet proxy are."""
    output = FileOutput(path, max_bytes, report)
    for line in lines:
        output.write(line)
        output.flush()
    return output


def test_lines_are_appended_to_those_of_an_earlier_process(path):
    write(path, "one\n")
    write(path, "two\n")
    assert path.read_text() == "one\ntwo\n"


def test_only_the_owner_can_read_it(path):
    write(path, "one\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_file_and_older_ones_are_rotated_and_five_are_kept(path):
    lines = [f"{number:09}\n" for number in range(20)]
    write(path, *lines, max_bytes=20)
    found = sorted(path.parent.iterdir())
    assert [each.name for each in found] == [
        "proxy.log",
        *(f"proxy.log.{number}" for number in range(1, KEPT_FILES)),
    ]
    kept = "".join(each.read_text() for each in reversed(found))
    assert kept == "".join(lines[-2 * KEPT_FILES :])


def test_bytes_of_an_earlier_process_count_towards_the_size(path):
    path.write_text("x" * 15 + "\n")
    write(path, "123456789\n", max_bytes=20)
    assert path.read_text() == "123456789\n"
    assert path.with_name("proxy.log.1").exists()


def test_a_line_that_is_larger_than_the_maximum_is_written(path):
    write(path, "x" * 100 + "\n", max_bytes=20)
    assert path.stat().st_size == 101
    assert not path.with_name("proxy.log.1").exists()


def test_the_log_continues_if_files_cannot_be_renamed(path, monkeypatch):
    output = write(path, "123456789\n", max_bytes=15)

    def refuse(*_args):
        raise PermissionError

    monkeypatch.setattr(type(path), "replace", refuse)
    output.write("abcdefghi\n")
    output.flush()
    assert path.read_text() == "123456789\nabcdefghi\n"


def test_lines_that_a_full_disk_rejects_are_counted(path, monkeypatch):
    output = write(path, "one\n")
    monkeypatch.setattr("tessel_service_kit.output.os.write", no_space)
    output.write("two\n")
    eventually(lambda: output.dropped == 1)


def no_space(*_args):
    raise OSError(ENOSPC, "No space left on device")


def moved(path):
    path.rename(path.with_name("moved"))


def emptied(path):
    path.write_text("")


@pytest.mark.parametrize("change", [moved, Path.unlink, emptied])
def test_a_file_that_was_moved_deleted_or_emptied_is_created_again(path, change):
    output = write(path, "one\n")
    change(path)
    output.write("two\n")
    output.flush()
    assert path.read_text() == "two\n"
    assert output.dropped == 0


def test_a_file_that_replaces_it_gets_the_lines(path):
    output = write(path, "one\n")
    moved(path)
    path.write_text("of another process\n")
    output.write("two\n")
    output.flush()
    assert path.read_text() == "of another process\ntwo\n"
    assert path.with_name("moved").read_text() == "one\n"


def test_an_emptied_file_is_not_full(path):
    output = write(path, "123456789\n", max_bytes=15)
    emptied(path)
    output.write("abcdefghi\n")
    output.flush()
    assert [each.name for each in path.parent.iterdir()] == ["proxy.log"]


def test_lines_for_a_deleted_file_whose_folder_is_gone_are_counted_until_it_is_back(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "proxy.log"
    output = write(path, "one\n")
    path.unlink()
    folder.rmdir()
    output.write("two\n")
    output.flush()
    folder.mkdir()
    output.write("three\n")
    output.flush()
    assert output.dropped == 1
    assert path.read_text() == "1 dropped\nthree\n"


def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        FileOutput(tmp_path / "missing" / "proxy.log", 1000, report)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(os.devnull)])
def test_a_path_that_is_not_a_regular_file_is_not_opened(path, make):
    make(path)
    assert why_unusable(path) == "is not a regular file"
    with pytest.raises(OSError, match="is not a regular file"):
        FileOutput(path, 1000, report)


def test_a_file_that_does_not_exist_can_be_used(path):
    assert why_unusable(path) is None
    assert why_unusable(path / "below") == "cannot be written"
