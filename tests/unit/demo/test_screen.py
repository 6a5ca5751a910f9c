"""What the demo writes on a terminal, and elsewhere."""

import io
import os
import pty
from functools import partial

import pytest

from demo.screen import PLAIN_COLUMNS, Screen

LONG = "The far site counted 20 connections, and the proxy logged all of them: by the tunnel."


class Piped(io.StringIO):
    def isatty(self):
        return False


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def play(screen):
    screen.headline("A headline")
    screen.command(["tessel", "run", "a b.py"], {"PROXY_TOKEN": ""})
    with screen.progress("The program runs"):
        screen.output("[bold]its own[/bold] :smile: 1 2 3\n")
    screen.note(LONG)


def plain():
    file = Piped()
    play(Screen(file))
    return file.getvalue()


def on_a_terminal(columns, monkeypatch):
    """All that is written on a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(columns))  # Rich asks the terminal of the process, not ours
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as file:
        play(Screen(file))
    data = b"".join(iter(partial(_read, reading), b""))
    os.close(reading)
    return data.decode().replace("\r\n", "\n")


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # nobody writes any more, and all is read
        return b""


@pytest.mark.parametrize("name", ["NOTHING", "FORCE_COLOR", "NO_COLOR"])
def test_where_there_is_no_terminal_it_is_plain_text(name, monkeypatch):
    monkeypatch.setenv(name, "1")
    text = plain()
    assert "\x1b" not in text
    assert text.splitlines()[:5] == [
        "",
        "A headline",
        "----------",
        "$ PROXY_TOKEN='' tessel run 'a b.py'",
        "[bold]its own[/bold] :smile: 1 2 3",
    ]
    assert text.splitlines()[5].startswith("* The far site counted")
    assert "The program runs" not in text
    assert max(map(len, text.splitlines())) <= PLAIN_COLUMNS


def test_a_terminal_has_colours_and_a_progress_line_that_goes_away(monkeypatch):
    text = on_a_terminal(60, monkeypatch)
    assert "\x1b[1;36m" in text
    assert "The program runs" in text
    assert text.rindex("\x1b[2K") > text.rindex("The program runs")
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 1  # the cursor is back


def test_no_color_leaves_the_colours_out(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = on_a_terminal(60, monkeypatch)
    assert "\x1b[1;36m" not in text
    assert "\x1b[32m" not in text
    assert "The program runs" in text


def test_a_dumb_terminal_gets_plain_text(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    text = on_a_terminal(60, monkeypatch)
    assert "\x1b" not in text
    assert "The program runs" not in text


@pytest.mark.parametrize("columns", [30, 46, 100])
def test_paragraphs_and_the_progress_line_fit_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = on_a_terminal(columns, monkeypatch)
    note = text[text.index("* The far") :]
    assert max(map(len, note.splitlines())) < columns
    assert " ".join(note.split()) == f"* {LONG}"
    (progress, *_) = (each for each in text.split("\r") if "The program" in each)
    assert len(progress.partition("\x1b")[0]) < columns


def test_a_command_is_not_folded_so_that_it_can_be_copied(monkeypatch):
    assert "$ PROXY_TOKEN='' tessel run 'a b.py'\n" in on_a_terminal(30, monkeypatch).replace(
        "\x1b[1m", ""
    ).replace("\x1b[0m", "")
