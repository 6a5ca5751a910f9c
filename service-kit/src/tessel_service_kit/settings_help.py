"""Settings as text for `--help`, and hints about variables whose names are probably misspelt."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from tessel_service_kit.settings import FILE_SUFFIX, Setting

HELP_COLUMNS: Final = 98
LOOKALIKE: Final = 0.85  # similar: AUTH_HARDCODE; not similar: SSL_CERT_FILE, which others use


def described(settings: tuple[Setting, ...]) -> str:
    """Return the settings as text for `--help`, one paragraph each."""
    width = max(len(each.name) for each in settings) + 4
    indent = " " * width
    paragraphs = []
    for each in settings:
        more = [f"default: {each.default}"] if each.default else []
        more += [
            f"or from a file: {name}" if each.names_file(name) else f"or: {name}"
            for name in each.names[1:]
        ]
        text = each.meaning + (f" ({'; '.join(more)})" if more else "")
        head = f"  {each.name}".ljust(width)
        paragraphs.append(
            textwrap.fill(
                text,
                HELP_COLUMNS,
                initial_indent=head,
                subsequent_indent=indent,
                break_on_hyphens=False,
            )
        )
    return "\n".join(paragraphs)


def lookalikes(environ: Mapping[str, str], settings: tuple[Setting, ...]) -> list[str]:
    """Return a hint for each variable whose name is similar to a setting's: probably misspelt."""
    known = [name for each in settings for name in each.names]
    hints = []
    for name in sorted(set(environ) - set(known)):
        plain = name.removesuffix(FILE_SUFFIX)
        if plain in known:
            hints.append(f"{_shown(name)} is not a setting: {plain} cannot be read from a file")
        elif close := get_close_matches(name.upper(), known, n=1, cutoff=LOOKALIKE):
            hints.append(f"{_shown(name)} is not a setting: did you mean {close[0]}?")
    return hints


def _shown(name: str) -> str:
    """Return the name with invisible characters escaped, such as a byte order mark before it."""
    return name if name.isprintable() else ascii(name)
