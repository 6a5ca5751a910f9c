"""Files that an operator names."""

import os
import socket
from pathlib import Path

import pytest

from tessel_proxy.targets.trust import TargetTrust
from tessel_service_kit.files import FileError, bytes_of
from tessel_service_kit.settings import ConfigError

NO_FILE = "^is not a regular file; allowed: a regular file, or a link to one$"


def test_a_file_and_a_link_to_one_are_read(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"words")
    link.symlink_to(file)
    assert bytes_of(file, 5) == bytes_of(link, 5) == b"words"


def test_one_that_is_too_large_is_a_fault(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"words")
    with pytest.raises(FileError, match=r"^is too large; allowed: 4 bytes$"):
        bytes_of(file, 4)


def test_one_that_is_not_there_is_a_fault(tmp_path):
    with pytest.raises(FileError, match=r"^cannot be read: No such file or directory$") as raised:
        bytes_of(tmp_path / "file", 4)
    assert isinstance(raised.value.__cause__, FileNotFoundError)


@pytest.mark.timeout(10)
def test_a_fifo_to_which_nobody_writes_keeps_nobody_waiting(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(FileError, match=NO_FILE):
        bytes_of(fifo, 4)


@pytest.mark.timeout(10)
def test_what_turns_into_a_fifo_between_look_and_open_is_reported_too(tmp_path, monkeypatch):
    file, fifo = tmp_path / "file", tmp_path / "fifo"
    file.write_bytes(b"words")
    os.mkfifo(fifo)
    regular = file.stat()
    monkeypatch.setattr(Path, "stat", lambda _path: regular)
    with pytest.raises(FileError, match=NO_FILE):
        bytes_of(fifo, 4)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/"])
def test_devices_and_folders_are_reported(path):
    with pytest.raises(FileError, match=NO_FILE):
        bytes_of(Path(path), 4)


def test_a_socket_is_reported(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(FileError, match=NO_FILE):
            bytes_of(tmp_path / "socket", 4)


@pytest.mark.timeout(10)
def test_authorities_of_targets_are_not_waited_for_either(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigError, match=r"^TARGET_CA_FILE='.*fifo' is not a regular file"):
        TargetTrust(fifo)
