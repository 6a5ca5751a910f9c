"""Takes values out of an environment, and gathers what is wrong with them.

An empty value counts as unset. A secret may stand in a file instead: `NAME_FILE` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Expected(Exception):  # noqa: N818 - carries what is expected; `Reader.value` takes it
    """A value is not what it must be."""


class Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """`parse` raises Expected."""
        text = self._environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except Expected as expected:
            self.faults.append(f"{name} is {text!r}; expected: {expected}")
            return default

    def text_or_file(self, name: str) -> tuple[str, str | None]:
        """The variable that it came from, and its text, which is not blank; None: not set."""
        text = self._environ.get(name, "")
        if text.strip():
            return name, text
        source = f"{name}_FILE"
        path = self._environ.get(source, "")
        return source, self._from_file(source, path) if path else None

    def utf8(self, name: str, text: str) -> str | None:
        try:
            text.encode()
        except UnicodeEncodeError:
            self.faults.append(f"{name} (not shown) is not UTF-8; expected: text")
            return None
        return text

    def _from_file(self, source: str, path: str) -> str | None:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            self.faults.append(f"{source} is {path!r}; expected: a readable text file ({error})")
            return None
        if not text.strip():
            self.faults.append(f"{source} is {path!r}; expected: a file that is not empty")
            return None
        return text
