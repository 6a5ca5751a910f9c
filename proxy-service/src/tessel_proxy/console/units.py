"""Numbers and times as people read them. Every text from outside passes `plain` or `cell`."""

from __future__ import annotations

import time
import unicodedata
from typing import Any, Final

from tessel_service_kit.texts import printable

NOTHING: Final = "-"
KILO: Final = 1000
SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB")
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400


def size(count: float | None) -> str:
    """Return bytes in decimal units with three digits, such as `1.23 MB`; None: `-`."""
    if count is None:
        return NOTHING
    number = float(count)
    for unit in SIZES:
        if round(number, 2 if number < 10 else 1) < KILO or unit == SIZES[-1]:  # noqa: PLR2004
            break
        number /= KILO
    if unit == SIZES[0]:
        return f"{number:.0f} {unit}"
    return f"{number:.{_digits(number)}f} {unit}"


def _digits(number: float) -> int:
    """Return how many decimals show about three digits."""
    if round(number, 2) < 10:  # noqa: PLR2004 -- one digit before the point
        return 2
    return 1 if round(number, 1) < 100 else 0  # noqa: PLR2004 -- two digits


def rate(bytes_per_s: float | None) -> str:
    """Return bytes per second, such as `1.23 MB/s`; `-` for none."""
    return f"{size(bytes_per_s)}/s" if bytes_per_s else NOTHING


def lasted(seconds: float) -> str:
    """Return a duration in its two largest units, such as `3d 4h` or `12m 5s`."""
    rest = max(0, int(seconds))
    if rest >= DAY_S:
        return f"{rest // DAY_S}d {rest % DAY_S // HOUR_S}h"
    if rest >= HOUR_S:
        return f"{rest // HOUR_S}h {rest % HOUR_S // MINUTE_S}m"
    if rest >= MINUTE_S:
        return f"{rest // MINUTE_S}m {rest % MINUTE_S}s"
    return f"{rest}s"


def moment(at: float | None) -> str:
    """Return a time as `2026-11-30 06:00 UTC`; None: `-`."""
    if at is None:
        return NOTHING
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def plain(value: Any) -> str:
    """Return a value as text without characters that a terminal would obey; None: `-`."""
    if value is None or value == "":
        return NOTHING
    return printable(str(value))


def width(text: str) -> int:
    """Return the columns that a text takes: East Asian characters take two, accents none."""
    return sum(_columns(each) for each in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return the text in at most this number of columns; `…` stands for what is left out."""
    if width(text) <= columns:
        return text
    taken, used = [], 1
    for each in text:
        used += _columns(each)
        if used > columns:
            break
        taken.append(each)
    return "".join(taken) + "…" if columns > 0 else ""
