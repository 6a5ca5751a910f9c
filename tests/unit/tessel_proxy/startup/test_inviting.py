"""The command `tessel-proxy invite`, from inside."""

import time
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock

from streamplex.conversation import Joined, parse_invitation
from tessel_proxy import __main__ as command
from tessel_proxy.auth.account_file import load_accounts
from tessel_proxy.auth.invitations import InvitationFolder


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    """A folder with the certificate of a proxy, and the settings of its accounts."""
    environ = {"AUTH_FILE": str(tmp_path / "accounts")}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "environ", environ)
    monkeypatch.setattr(command, "reactor", MemoryReactorClock())
    assert command.main(["make-cert", "Proxy.example.com"]) == 0
    capsys.readouterr()
    return environ


def invited(capsys, *arguments):
    assert command.main(["invite", *arguments]) == 0
    out, err = capsys.readouterr()
    return parse_invitation(out), err


def redeemed(tmp_path, invitation, now=None):
    folder = InvitationFolder(tmp_path / "invitations")
    return folder.redeem(invitation.code, time.time() if now is None else now)


def test_an_invitation_names_host_port_and_authority_of_the_certificate(place, capsys):
    invitation, _err = invited(capsys, "kim")
    assert (invitation.host, invitation.port) == ("proxy.example.com", 5005)
    assert invitation.authority is not None


def test_its_token_is_the_one_that_the_accounts_file_accepts(place, tmp_path, capsys):
    invitation, _err = invited(capsys, "kim")
    joined = redeemed(tmp_path, invitation)
    assert isinstance(joined, Joined)
    line = load_accounts(tmp_path / "accounts").find(joined.token)
    assert line.account.name == joined.account == "kim"


def test_lines_are_added_to_a_file_whose_last_line_has_no_end(place, tmp_path, capsys):
    invited(capsys, "kim")
    file = tmp_path / "accounts"
    file.write_text(file.read_text().rstrip("\n"))
    before = file.stat().st_ino
    invited(capsys, "sam")
    assert len(load_accounts(file)) == 2
    assert file.stat().st_ino == before  # it may be mounted alone


def test_the_qr_code_and_the_next_command_are_on_standard_error(place, capsys):
    invitation, err = invited(capsys, "kim")
    assert "██ ▄▄▄▄▄ █" in err
    assert f"tessel join '{invitation.uri()}'" in err
    assert "█" not in invited(capsys, "--no-qr", "kim")[1]


def test_host_port_and_time_can_be_given(place, tmp_path, capsys):
    arguments = ("--host", "PROXY.local", "--port", "8443", "--hours", "1", "kim")
    invitation, _err = invited(capsys, *arguments)
    assert (invitation.host, invitation.port) == ("proxy.local", 8443)
    assert not isinstance(redeemed(tmp_path, invitation, time.time() + 3601), Joined)
    assert isinstance(redeemed(tmp_path, invitation, time.time() + 3500), Joined)


def test_a_certificate_of_another_authority_is_trusted_by_the_system(place, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    assert command.main(["make-cert", "--out", "other", "a.example"]) == 0
    (tmp_path / "config/authority-cert.pem").write_bytes(
        (tmp_path / "other/authority-cert.pem").read_bytes()
    )
    capsys.readouterr()
    assert invited(capsys, "kim")[0].authority is None
    (tmp_path / "config/authority-cert.pem").unlink()
    assert invited(capsys, "kim")[0].authority is None


@pytest.mark.parametrize(
    ("change", "account", "code", "why"),
    [
        (
            {"AUTH_FILE": ""},
            "kim",
            2,
            "AUTH_FILE is not set; needed: the file that the proxy has",
        ),
        ({"CERT_FILE": "gone.pem"}, "kim", 2, "CERT_FILE='gone.pem' cannot be read"),
        ({"INVITATIONS_DIR": "accounts/x"}, "kim", 1, "no invitation was made"),
        ({}, "#kim", 1, "an account's name has # in front"),
        ({"AUTH_FILE": "config"}, "kim", 2, "AUTH_FILE='config' is not a regular file"),
    ],
)
def test_what_is_wrong_is_said(place, capsys, change, account, code, why):  # noqa: PLR0917 -- cases
    Path("accounts").touch()
    place.update(change)
    assert command.main(["invite", account]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err


def test_wildcards_are_no_host(place, tmp_path, capsys):
    assert command.main(["make-cert", "*.example.com"]) == 0
    capsys.readouterr()
    assert command.main(["invite", "kim"]) == 2
    assert "names no host; give it with --host" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["https://proxy.example", "a b", "h\xf6st", "[::1]", "a:443", ""])
def test_a_host_that_no_device_would_accept_is_refused(place, tmp_path, capsys, host):
    with pytest.raises(SystemExit):
        command.main(["invite", "--host", host, "kim"])
    assert "allowed: a name (xn--…), or an address" in capsys.readouterr().err
    assert not (tmp_path / "invitations").exists()
