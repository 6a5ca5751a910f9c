"""`tessel-proxy top`: redraws the screen each second until q or Ctrl-C."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tessel_proxy.console.client import Client
from tessel_proxy.console.screen import Snapshot, lines_of

REFRESH_S: Final = 1.0
MAX_TUNNELS: Final = 10_000
"""Tunnels that are read for one screen: ten pages of the API."""

ENTER: Final = "\x1b[?1049h\x1b[?25l"  # the other screen, no cursor
LEAVE: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
END_OF_LINE: Final = "\x1b[K"
END_OF_SCREEN: Final = "\x1b[J"


def watch(client: Client) -> None:
    """Show what the proxies do until the operator ends it. Raises ConsoleError."""
    first = snapshot(client)  # an error is shown on the normal screen
    with _own_screen():
        shown = first
        while True:
            size = os.get_terminal_size(sys.stdout.fileno())
            sys.stdout.write(frame(shown, size.columns, size.lines))
            sys.stdout.flush()
            if _quit_within(REFRESH_S):
                return
            shown = snapshot(client)


def snapshot(client: Client) -> Snapshot:
    """Ask for all that one screen shows. Raises ConsoleError."""
    tunnels: list[dict[str, Any]] = []
    for page in client.pages("tunnels"):
        tunnels += page["tunnels"]
        if len(tunnels) >= MAX_TUNNELS:
            break
    accounts = [row for page in client.pages("accounts") for row in page["accounts"]]
    fleet = client.get("proxies")
    away = bool(fleet["engine"]["away"])
    return Snapshot(time.time(), tunnels, accounts, fleet["proxies"], fleet["missing"], away)


def frame(shown: Snapshot, columns: int, rows: int) -> str:
    """Return what draws a snapshot over the one before, without clearing: so nothing flickers."""
    lines = [line + END_OF_LINE for line in lines_of(shown, columns, rows)]
    return HOME + "\r\n".join(lines) + END_OF_SCREEN


@contextmanager
def _own_screen() -> Iterator[None]:
    """Read single keys on a screen of its own, and restore the terminal at the end."""
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    try:
        tty.setcbreak(keys)
        sys.stdout.write(ENTER)
        yield
    except KeyboardInterrupt:
        pass  # how people end it
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _quit_within(seconds: float) -> bool:
    keys = sys.stdin.fileno()
    readable, _, _ = select.select([keys], [], [], seconds)
    return bool(readable) and os.read(keys, 64)[:1] in (b"q", b"Q", b"")
