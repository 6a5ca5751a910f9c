"""Takes values out of an environment, and gathers what is wrong with them.

An empty value counts as unset. A secret may stand in a file instead: `NAME_FILE` names it.
"""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tessel_service_kit.files import unreadable
from tessel_service_kit.texts import BYTE_ORDER_MARK, cleaned, is_quoted

T = TypeVar("T")

LARGEST_FILE_BYTES = 4 * 1024 * 1024  # a system's authorities have a quarter; a path may be a disk


class Expected(Exception):  # noqa: N818 - carries what is expected; `Reader.value` takes it
    """A value is not what it must be."""


class Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []
        self.files: list[tuple[str, Path]] = []  # that were read, with the settings that name them

    def value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """`parse` raises Expected. It gets the text without whitespace around it."""
        text = cleaned(self._environ.get(name, ""))
        if not text:
            return default
        if is_quoted(text):
            self.faults.append(f"{name} is {text!r}; expected: the value without quotes around it")
            return default
        try:
            return parse(text)
        except Expected as expected:
            self.faults.append(f"{name} is {text!r}; expected: {expected}")
            return default

    def text_or_file(self, name: str, if_missing: str = "") -> tuple[str, str | None]:
        """The variable that it came from, and its text, which is not blank; None: not set.

        `if_missing` follows the fault of a file that is not there.
        """
        text = self._environ.get(name, "")
        if cleaned(text):
            return name, text.removeprefix(BYTE_ORDER_MARK)
        source = f"{name}_FILE"
        path = cleaned(self._environ.get(source, ""))
        if not path:
            return source, None
        self.files.append((source, Path(path)))
        return source, self._from_file(source, path, if_missing)

    def utf8(self, name: str, text: str) -> str | None:
        try:
            text.encode()
        except UnicodeEncodeError:
            self.faults.append(f"{name} (not shown) is not UTF-8; expected: text")
            return None
        return text

    def _from_file(self, source: str, path: str, if_missing: str) -> str | None:
        try:
            text = _text_in(Path(path))
        except FileNotFoundError as error:
            self._unusable(source, path, f"a readable text file ({error.strerror}){if_missing}")
        except OSError as error:
            why = unreadable(Path(path), error)
            self._unusable(source, path, f"a readable text file (it {why})")
        except ValueError as error:
            self._unusable(source, path, f"a readable text file in UTF-8 ({error})")
        else:
            if cleaned(text):
                return text
            self._unusable(source, path, "a file that is not empty")
        return None

    def _unusable(self, source: str, path: str, expected: str) -> None:
        self.faults.append(f"{source} is {path!r}; expected: {expected}")


def _text_in(path: Path) -> str:
    """What a text file holds; raises OSError, or ValueError that does not quote it."""
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE_BYTES + 1)
    if len(data) > LARGEST_FILE_BYTES:
        raise ValueError(f"it has more than {LARGEST_FILE_BYTES} bytes")
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise ValueError("it is UTF-16")
    try:
        return data.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
