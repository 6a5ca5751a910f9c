"""The file of this user's settings."""

import os
from pathlib import Path

import pytest

from tessel.settings_file import (
    SettingsFileError,
    add_settings_of_file,
    prove_writable,
    settings_file,
    write_private,
)

TEXT = "# a proxy\n\nPROXY_HOST=proxy.example.com\n PROXY_TOKEN = a=b \nRADIO=host\n"


@pytest.fixture
def environ(tmp_path):
    write_private(tmp_path / "tessel" / "settings.env", TEXT)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_settings_of_the_file_are_added_to_the_environment(environ, tmp_path):
    assert add_settings_of_file(environ) == tmp_path / "tessel" / "settings.env"
    assert environ["PROXY_HOST"] == "proxy.example.com"
    assert environ["PROXY_TOKEN"] == "a=b"


def test_what_the_environment_has_stays(environ):
    environ["RADIO"] = "cc3000-sim"
    add_settings_of_file(environ)
    assert environ["RADIO"] == "cc3000-sim"


@pytest.mark.parametrize(
    "name", ["PROXY_HOST", "PROXY_TOKEN", "PROXY_TOKEN_FILE", "TM_API_KEY", "TM_API_KEY_FILE"]
)
def test_a_proxy_is_never_mixed_with_the_token_of_another_one(environ, name):
    environ[name] = "set"
    before = dict(environ)
    assert add_settings_of_file(environ) is None
    assert environ == before


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"TESSEL_SETTINGS_FILE": "/x/y.env", "HOME": "/home/kim"}, "/x/y.env"),
        ({"XDG_CONFIG_HOME": "/c", "HOME": "/home/kim"}, "/c/tessel/settings.env"),
        ({"HOME": "/home/kim"}, "/home/kim/.config/tessel/settings.env"),
    ],
)
def test_the_file_is_where_the_user_keeps_settings(environ, path):
    assert settings_file(environ) == Path(path)


def test_without_a_file_nothing_is_added(tmp_path):
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert add_settings_of_file(environ) is None
    assert len(environ) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("PROXY_HOST", "line 1: expected NAME=VALUE"),
        ("# x\nPROXY HOST=a", "line 2: expected NAME=VALUE"),
        ("=a", "line 1: expected NAME=VALUE"),
        ("A=" + "x" * 70_000, "is too large"),
    ],
)
def test_a_faulty_file_is_reported_with_its_line(environ, text, why):
    settings_file(environ).write_text(text)
    with pytest.raises(SettingsFileError, match=why):
        add_settings_of_file(environ)


def test_a_file_that_is_not_text_is_reported(environ):
    settings_file(environ).write_bytes(b"A=\xff")
    with pytest.raises(SettingsFileError, match="not UTF-8 at byte 2"):
        add_settings_of_file(environ)


def test_files_and_folders_are_for_their_owner_only(tmp_path):
    file = tmp_path / "above" / "a" / "b.env"
    before = os.umask(0)
    try:
        for text in ("A=1\n", "A=2\n"):
            write_private(file, text)
    finally:
        os.umask(before)
    assert file.read_text() == "A=2\n"
    made = (file, file.parent, file.parent.parent)
    assert [each.stat().st_mode & 0o777 for each in made] == [0o600, 0o700, 0o700]
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_can_be_written_is_left_as_it_was(tmp_path):
    write_private(tmp_path / "settings.env", TEXT)
    prove_writable(tmp_path / "settings.env")
    assert (tmp_path / "settings.env").read_text() == TEXT
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_place_of_the_file_or_of_its_folder_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    for wrong in (tmp_path, tmp_path / "file" / "settings.env"):
        with pytest.raises(OSError, match=r"directory|exists"):
            prove_writable(wrong)
