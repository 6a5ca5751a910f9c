"""`tessel-proxy top`: redraws the screen each second until q or Ctrl-C."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

from tessel_proxy.console.client import Client
from tessel_proxy.console.feed import Inbox, feeding, once
from tessel_proxy.console.live import Live, Order
from tessel_proxy.console.printing import Screen
from tessel_proxy.console.screen import lines_of
from tessel_service_kit.serving import OK

REFRESH_S: Final = 1.0
WIDE: Final = 200
ONCE_ROWS: Final = 50
"""Columns and lines of the one picture for an output that is not a terminal."""

UNKNOWN_SIZE: Final = (80, 24)
"""Columns and lines of a terminal that does not know its size: it reports 0."""

ENTER: Final = "\x1b[?1049h\x1b[?25l"  # the other screen, no cursor
LEAVE: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
END_OF_LINE: Final = "\x1b[K"
END_OF_SCREEN: Final = "\x1b[J"
ORDERS: Final = {each.key: each for each in Order}
QUIT: Final = "q"
ESCAPE: Final = b"\x1b"
OTHER_KEY: Final = " "
"""What stands for a key that sends several characters, such as an arrow."""

MAX_KEYS: Final = 64


class _EndedBySignal(BaseException):
    """SIGTERM or SIGHUP came. As KeyboardInterrupt, it is not an error of the program."""


def watch(client: Client, screen: Screen) -> int:
    """Show what the proxies do until the operator ends it; return the exit code.

    Without a terminal, print one picture. Raises ConsoleError.
    """
    if screen.columns is None or screen.ask is None:
        live = once(client, time.time)
        print("\n".join(lines_of(live, Order.RATE, time.time(), WIDE, ONCE_ROWS)), file=screen.out)
        return OK
    client.get("proxies")  # a wrong place is reported on the normal screen
    with _own_screen(), closing(Inbox()) as inbox, _signals(inbox), feeding(client, inbox.put):
        _redraw_until_quit(inbox)
    return OK


def _redraw_until_quit(inbox: Inbox) -> None:
    live, order, drawn_at = Live(), Order.RATE, 0.0
    while True:
        if time.monotonic() - drawn_at >= REFRESH_S:
            _draw(live, order)
            drawn_at = time.monotonic()
        left_s = max(0.0, drawn_at + REFRESH_S - time.monotonic())
        keys = _keys_within(left_s, inbox)
        if keys == "" or QUIT in (keys or "").lower():
            return
        order = _chosen(keys or "", order)
        was_lost, was_new = live.lost is not None, live.totals is None
        for each in inbox.take():
            live.take(each, time.time())
        is_other = was_lost != (live.lost is not None) or was_new != (live.totals is None)
        if keys is not None or inbox.was_resized() or is_other:
            drawn_at = 0.0


def _draw(live: Live, order: Order) -> None:
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    if not columns or not rows:
        columns, rows = UNKNOWN_SIZE
    sys.stdout.write(frame(lines_of(live, order, time.time(), columns, rows)))
    sys.stdout.flush()


def frame(lines: list[str]) -> str:
    """Return what draws these lines over the former ones, without clearing: nothing flickers."""
    return HOME + "\r\n".join(line + END_OF_LINE for line in lines) + END_OF_SCREEN


def _chosen(keys: str, order: Order) -> Order:
    """Return the order of the last of these keys that chooses one."""
    return next((ORDERS[key] for key in reversed(keys) if key in ORDERS), order)


def _keys_within(seconds: float, inbox: Inbox) -> str | None:
    """Return the keys that were pressed, empty at the end of input; None: none, but news."""
    keys = sys.stdin.fileno()
    readable, _, _ = select.select([keys, inbox.fileno()], [], [], seconds)
    if keys not in readable:
        return None
    pressed = os.read(keys, MAX_KEYS)
    return OTHER_KEY if pressed.startswith(ESCAPE) else pressed.decode("ascii", "replace")


@contextmanager
def _own_screen() -> Iterator[None]:
    """Read single keys on a screen of its own, and restore the terminal at the end."""
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    try:
        tty.setcbreak(keys)
        sys.stdout.write(ENTER)
        yield
    except (KeyboardInterrupt, _EndedBySignal):
        pass  # how people, and sessions that end, stop it
    finally:
        with suppress(OSError, termios.error):  # the terminal is gone
            sys.stdout.write(LEAVE)
            sys.stdout.flush()
            termios.tcsetattr(keys, termios.TCSADRAIN, before)


@contextmanager
def _signals(inbox: Inbox) -> Iterator[None]:
    """Redraw when the terminal gets another size; leave the screen when the session ends."""

    def ended(*_: Any) -> None:
        raise _EndedBySignal

    calls = {signal.SIGWINCH: inbox.resized, signal.SIGTERM: ended, signal.SIGHUP: ended}
    before = {number: signal.signal(number, call) for number, call in calls.items()}
    try:
        yield
    finally:
        for number, call in before.items():
            signal.signal(number, call)
