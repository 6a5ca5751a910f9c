"""`tessel-proxy hash-token`, and what AUTH_FILE makes of its lines."""

import io

import pytest

from tessel_proxy import __main__ as command
from tessel_proxy.auth import Account
from tessel_proxy.auth.account_file import LEAST_CHARACTERS, load_accounts

GIVEN = "correct horse battery"


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "accounts"
    monkeypatch.setattr(command, "environ", {"AUTH_FILE": str(file), "PORT": "not looked at"})
    return file


@pytest.fixture
def run(monkeypatch, capsys):
    """The command's exit code, its output and what it says besides."""

    def run(*argv, stdin=b""):
        monkeypatch.setattr(command.sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = command.main(["hash-token", *argv])
        return code, *capsys.readouterr()

    return run


def test_a_token_is_made_and_shown_beside_the_line_that_accepts_it(file, run):
    code, line, said = run("kim")
    token = said.strip().rpartition(" ")[2]
    file.write_text(line)
    assert (code, len(token)) == (0, 43)
    assert token not in line
    assert load_accounts(file).find(token).account == Account("kim")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \r\n\n"])
def test_a_token_may_be_given_and_is_not_repeated(file, run, ending):
    given = f"\ufeff{GIVEN}{ending}"  # as editors leave it
    code, line, said = run("--stdin", "Robin Doe", stdin=given.encode())
    file.write_text(line)
    assert (code, said) == (0, "")
    assert load_accounts(file).find(GIVEN).account == Account("Robin Doe")


def test_each_line_has_the_salt_of_the_file_it_is_for(file, run):
    for name in ("kim", "robin"):
        _code, line, _said = run(name)
        with file.open("a") as opened:
            opened.write(line)
    accounts = load_accounts(file)
    assert (len(accounts), len(accounts.by_recipe)) == (2, 1)


def test_without_a_file_each_line_has_a_salt_of_its_own(monkeypatch, run):
    monkeypatch.setattr(command, "environ", {})
    lines = [run("--stdin", "kim", stdin=GIVEN.encode())[1] for _ in range(2)]
    assert lines[0] != lines[1]


@pytest.mark.parametrize(
    ("account", "stdin", "why"),
    [
        ("kim", b"x" * (LEAST_CHARACTERS - 1), "a token of 15 characters; allowed: 16 to 4096"),
        ("kim", b"x" * 9000, "a token of 9000 characters; allowed: 16 to 4096"),
        ("kim", b"two lines, of which\none is too many", "a token of 35 characters"),
        ("kim", b"\xff" * 20, "the token is not UTF-8"),
        ("", GIVEN.encode(), "an account's name of 0 characters"),
        ("#kim", GIVEN.encode(), "an account's name has # in front"),
        (
            "kim",
            f'"{GIVEN}"\n'.encode(),
            "the token is in quotes; allowed: the token without them",
        ),
        (" kim", GIVEN.encode(), "an account's name has # in front"),
    ],
)
def test_what_can_be_no_line_is_reported_without_the_token(file, run, account, stdin, why):
    code, line, said = run("--stdin", account, stdin=stdin)
    assert (code, line) == (1, "")
    assert said.startswith(f"tessel-proxy: no token was made:\n  {why}")


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o602, True), (0o640, False)])
def test_a_file_that_everybody_can_read_or_change_is_reported(file, run, mode, told):
    file.touch()
    file.chmod(mode)
    code, _line, said = run("--stdin", "kim", stdin=GIVEN.encode())
    hint = (
        f"hint: AUTH_FILE='{file}' can be read or changed by every user of this machine "
        f"(mode {mode:o}): chmod 600\n"
    )
    assert (code, said) == (0, hint if told else "")


def test_a_file_at_fault_is_reported(file, run):
    file.write_text("wrong")
    code, _line, said = run("kim")
    assert code == 2
    assert "line 1: allowed: ACCOUNT $scrypt$" in said
