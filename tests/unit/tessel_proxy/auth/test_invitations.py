"""The folder of invitations: each is used once."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamplex.conversation import Joined, JoinRefusal, NotJoined
from tessel_proxy.auth.invitations import KEPT_S, InvitationFolder, InvitationsError

NOW = 1_764_480_000.0
LATER = NOW + 3600


@pytest.fixture
def folder(tmp_path):
    return InvitationFolder(tmp_path / "invitations")


@pytest.fixture
def code(folder):
    return folder.make("kim", "the token", LATER)


def only_file(folder):
    (file,) = folder.path.iterdir()
    return file


def test_a_code_is_exchanged_for_the_token_once(folder, code):
    assert folder.redeem(code, NOW) == Joined("kim", "the token")
    assert folder.redeem(code, NOW + 9) == NotJoined(JoinRefusal.USED, int(NOW))


def test_of_many_who_come_at_once_one_gets_the_token(folder, code):
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: folder.redeem(code, NOW), range(64)))
    assert [each for each in answers if isinstance(each, Joined)] == [Joined("kim", "the token")]
    assert answers.count(NotJoined(JoinRefusal.USED, int(NOW))) == 63


def test_an_expired_invitation_says_when(folder, code):
    assert folder.redeem(code, LATER) == NotJoined(JoinRefusal.EXPIRED, int(LATER))
    assert folder.redeem(code, LATER - 1) == Joined("kim", "the token")


@pytest.mark.parametrize("wrong", ["", "../accounts", "A" * 22, "\0", "x" * 500])
def test_a_code_that_was_not_made_here_is_unknown(folder, code, wrong):
    assert folder.redeem(wrong, NOW) == NotJoined(JoinRefusal.UNKNOWN)


def test_without_a_folder_every_code_is_unknown(folder):
    assert folder.redeem("A" * 22, NOW) == NotJoined(JoinRefusal.UNKNOWN)


def test_the_folder_holds_neither_code_nor_token_and_is_private(folder, code):
    file = only_file(folder)
    assert b"the token" not in file.read_bytes()
    assert code not in file.name + file.read_text()
    assert (folder.path.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"account": "kim", "sealed": "0g"}',
        '{"account": 7, "sealed": "00", "expires_at": 9e9}',
        '{"account": "kim", "sealed": "00", "expires_at": -Infinity}',
        '{"account": "kim", "sealed": "00", "expires_at": NaN}',
        "x" * 9000,
    ],
)
def test_a_damaged_file_is_reported_and_nothing_is_used_up(folder, code, content):
    only_file(folder).write_text(content)
    with pytest.raises(InvitationsError, match=r"damaged|too large"):
        folder.redeem(code, NOW)


def test_an_account_that_was_changed_in_the_file_gets_no_token(folder, code):
    file = only_file(folder)
    file.write_text(file.read_text().replace("kim", "eve"))
    with pytest.raises(InvitationsError, match="was changed"):
        folder.redeem(code, NOW)
    assert file.exists()


def test_an_ended_invitation_is_removed_after_its_time(folder, code):
    used = folder.make("sam", "another", LATER)
    folder.redeem(used, NOW)
    assert folder.sweep(LATER + KEPT_S - 1) == 0
    os.utime(only_open(folder), (NOW, NOW))
    assert folder.sweep(LATER + KEPT_S + 1) == 2
    assert folder.redeem(code, NOW) == NotJoined(JoinRefusal.UNKNOWN)


def only_open(folder):
    (file,) = folder.path.glob("*.open")
    return file


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvitationsError, match="Not a directory"):
        InvitationFolder(tmp_path / "file" / "invitations").make("kim", "token", LATER)
