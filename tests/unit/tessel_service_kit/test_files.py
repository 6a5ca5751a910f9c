"""Why a file cannot be read, and which secrets everybody can read."""

import grp
import os
import pwd
import subprocess
import sys

import pytest

from tessel_service_kit import files
from tessel_service_kit.files import FileError, bytes_of, hints_of_exposed, unreadable

DENIED = PermissionError(13, "Permission denied")
ME = pwd.getpwuid(os.geteuid()).pw_name
MY_GROUP = grp.getgrgid(os.getegid()).gr_name
I_AM = f"this process runs as {ME} (uid {os.geteuid()}), group {MY_GROUP} (gid {os.getegid()})"
NOBODY = 65534


def test_an_unreadable_file_is_reported_with_owner_mode_and_user(tmp_path):
    path = tmp_path / "key"
    path.touch()
    path.chmod(0o440)
    status = path.stat()
    owner = f"{pwd.getpwuid(status.st_uid).pw_name} (uid {status.st_uid})"
    group = f"{grp.getgrgid(status.st_gid).gr_name} (gid {status.st_gid})"
    assert unreadable(path, DENIED) == (
        "cannot be read: Permission denied; "
        f"the file '{path}' belongs to {owner}, group {group} and has mode 440; {I_AM}"
    )


def test_a_folder_that_may_not_be_entered_is_reported_instead_of_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(files.os, "access", lambda path, _: path != folder)
    said = unreadable(folder / "key", DENIED)
    assert f"the folder '{folder}' belongs to" in said
    assert "and has mode 700" in said


def test_a_file_that_may_not_be_created_is_reported_with_its_folder(tmp_path):
    assert f"the folder '{tmp_path}' belongs to" in unreadable(tmp_path / "new", DENIED)


def test_a_path_without_a_status_is_reported_without_owner(tmp_path):
    path = tmp_path / "gone" / "too"
    assert unreadable(path, DENIED) == f"cannot be read: Permission denied; {I_AM}"


def test_other_errors_are_reported_with_the_systems_text_only(tmp_path):
    assert unreadable(tmp_path, IsADirectoryError(21, "Is a directory")) == (
        "cannot be read: Is a directory"
    )


def test_users_and_groups_without_a_name_are_shown_by_number(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "geteuid", lambda: 4_000_000)
    monkeypatch.setattr(files.os, "getegid", lambda: 4_000_001)
    assert "runs as uid 4000000, group gid 4000001" in unreadable(tmp_path, DENIED)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root to become somebody else")
def test_a_process_of_another_user_reports_the_permissions(tmp_path):
    path = tmp_path / "key"
    path.touch(mode=0o600)
    tell = (
        "import os, sys; from pathlib import Path; from tessel_service_kit.files import bytes_of;"
        f"os.setgid({NOBODY}); os.setuid({NOBODY}); bytes_of(Path(sys.argv[1]), 9)"
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", tell, str(path)], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "tessel_service_kit.files.FileError: cannot be read: Permission denied; the "
    )
    assert "belongs to root (uid 0)" in last
    assert f"(uid {NOBODY})" in last


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert bytes_of(path, 5) == b"12345"
    with pytest.raises(FileError, match="is too large; allowed: 4 bytes"):
        bytes_of(path, 4)


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o602, True), (0o640, False)])
def test_a_secret_that_everybody_can_read_or_change_causes_one_hint(tmp_path, mode, told):
    path = tmp_path / "key"
    path.touch()
    path.chmod(mode)
    hint = (
        f"KEY_FILE='{path}' can be read or changed by every user of this machine "
        f"(mode {mode:o}): chmod 600"
    )
    assert hints_of_exposed([("KEY_FILE", path)] * 2) == ([hint] if told else [])


def test_a_missing_file_or_a_device_causes_no_hint(tmp_path):
    assert hints_of_exposed([("A", tmp_path / "gone"), ("B", tmp_path)]) == []
