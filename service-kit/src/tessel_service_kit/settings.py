"""An environment -> a frozen dataclass of settings, or all that is wrong with it, named at once.

A service declares a subclass of Settings whose fields are made by `setting`. That is its one
table: from it come the values, what `--help` shows, and the hints about names misspelt.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from tessel_service_kit.files import unreadable
from tessel_service_kit.texts import cleaned, is_quoted, without_line_ends

T = TypeVar("T")

METADATA_KEY: Final = "setting"
MAX_SECRET_BYTES: Final = 64 * 1024  # a secret's file; a wrong path may name a disk
HELP_COLUMNS: Final = 98
LOOKALIKE: Final = 0.85  # AUTH_HARDCODE is one of ours misspelt, SSL_CERT_FILE is somebody else's
FILE_SUFFIX: Final = "_FILE"
UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class ConfigError(Exception):
    """The settings cannot be used as they are; `faults` has a sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as operators know it. `default` is written as in the environment."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], object]
    secret: bool  # its value is never shown, and NAME_FILE may name a file that holds it
    exact: bool = False  # spaces around it and quotes belong to it
    how_to_make: str = ""  # the secret's file, where it is missing

    @property
    def names(self) -> tuple[str, ...]:
        """All variables that set it."""
        return (self.name, self.name + FILE_SUFFIX) if self.secret else (self.name,)

    def read(self, environ: Mapping[str, str]) -> object:
        """Its value in this environment; raises ConfigError. Set but empty counts as not set."""
        given = self.given(environ)
        if not given:
            return self.parse(self.default)
        if len(given) > 1:
            raise ConfigError([f"{' and '.join(given)} are both set; allowed: one of them"])
        name, text = given[0], environ[given[0]]
        source = name if self.secret and name == self.name else f"{name}={text!r}"
        if name != self.name:
            text = _secret_in(_path(text, source), source, self.how_to_make)
        return self._value(text, source)

    def given(self, environ: Mapping[str, str]) -> list[str]:
        """Those of its variables that are set. Nothing but whitespace counts as not set."""
        return [name for name in self.names if cleaned(environ.get(name, ""))]

    def file(self, environ: Mapping[str, str]) -> SecretFile | None:
        """The file that it is read from, if that can be read again."""
        path = Path(cleaned(environ.get(self.name + FILE_SUFFIX, "")))
        return SecretFile(self, environ, path) if self.secret and path.is_file() else None

    def _value(self, text: str, source: str) -> object:
        """Of the text as it stands there; raises ConfigError."""
        text = without_line_ends(text) if self.exact else _plain(text, source)
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigError([f"{source}; allowed: {error}"]) from None

    def show(self, value: object) -> str:
        """A value as an operator may see it."""
        if value is None:
            return ""
        if self.secret:
            return "(set)"
        if isinstance(value, tuple):
            return " ".join(map(str, value))
        return f"{value:g}" if isinstance(value, float) else str(value)


def setting(
    name: str,
    default: str,
    meaning: str,
    parse: Callable[[str], T],
    *,
    secret: bool = False,
    exact: bool = False,
    how_to_make: str = "",
) -> T:
    """Declare a field of Settings. A secret may come from a file.

    `parse` turns a text into the value or raises ValueError with the words that follow "allowed:".
    The text comes to it without whitespace around it, unless it is `exact`. `how_to_make` follows
    the fault of a secret's file that is not there.
    """
    described = Setting(name, default, meaning, parse, secret, exact, how_to_make)
    return field(default=parse(default), repr=not secret, metadata={METADATA_KEY: described})


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that a setting is read from, and can be read from again."""

    setting: Setting
    environ: Mapping[str, str] = field(repr=False)
    path: Path

    @property
    def name(self) -> str:
        """The variable that names it."""
        return self.setting.name + FILE_SUFFIX

    def read(self) -> object:
        """The value that the file holds now; raises ConfigError.

        What is no regular file any more is not read: a FIFO would keep the process waiting.
        """
        if self.path.exists() and not self.path.is_file():
            raise ConfigError([f"{self.name}={str(self.path)!r} is no regular file any more"])
        return self.setting.read(self.environ)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a service is told by its environment. What is not given has its default."""

    @classmethod
    def table(cls) -> dict[str, Setting]:
        """The settings by the names of their fields."""
        return {each.name: each.metadata[METADATA_KEY] for each in fields(cls)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """The settings of this environment; raises ConfigError with all that is wrong."""
        return _without_faults(cls.read(environ))

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        """As from_env, but with defaults in place of what is faulty, so that checks can go on."""
        return cls.read_only(environ, cls.table())

    @classmethod
    def some_from_env(cls, environ: Mapping[str, str], *names: str) -> Self:
        """Only these fields are read, for much else may not be set yet; raises ConfigError."""
        return _without_faults(cls.read_only(environ, names))

    @classmethod
    def read_only(cls, environ: Mapping[str, str], names: Iterable[str]) -> tuple[Self, list[str]]:
        """As read, for these fields alone."""
        values: dict[str, Any] = {}  # setting() has tied each parser to its field's type
        faults: list[str] = []
        table = cls.table()
        for name in names:
            try:
                values[name] = table[name].read(environ)
            except ConfigError as error:
                faults += error.faults
        return cls(**values), faults

    def shown(self) -> list[tuple[str, str]]:
        """Name and value of each setting, of the secret ones only whether they are set."""
        return [(each.name, each.show(getattr(self, name))) for name, each in self.table().items()]


S = TypeVar("S", bound=Settings)


def _without_faults(read: tuple[S, list[str]]) -> S:
    settings, faults = read
    if faults:
        raise ConfigError(faults)
    return settings


def described(settings: tuple[Setting, ...]) -> str:
    """The table of settings as `--help` shows it."""
    width = max(len(each.name) for each in settings) + 4
    indent = " " * width
    paragraphs = []
    for each in settings:
        more = [f"default: {each.default}"] if each.default else []
        more += [f"or from a file: {name}" for name in each.names[1:]]
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
    """A hint for each variable that is not one of the settings but was probably meant to be."""
    known = [name for each in settings for name in each.names]
    hints = []
    for name in sorted(set(environ) - set(known)):
        plain = name.removesuffix(FILE_SUFFIX)
        if plain in known:
            hints.append(f"{_shown(name)} is not a setting: {plain} cannot be read from a file")
        elif close := get_close_matches(name.upper(), known, n=1, cutoff=LOOKALIKE):
            hints.append(f"{_shown(name)} is not a setting: is {close[0]} meant?")
    return hints


def _shown(name: str) -> str:
    """A byte order mark before the first name of an env file would not be seen."""
    return name if name.isprintable() else ascii(name)


def _plain(text: str, source: str) -> str:
    """The text that is meant; raises ConfigError."""
    text = cleaned(text)
    if is_quoted(text):
        raise ConfigError([f"{source} stands in quotes; allowed: the value without them"])
    return text


def _path(text: str, source: str) -> Path:
    return Path(_plain(text, source))


def _secret_in(path: Path, source: str, how_to_make: str) -> str:
    """The text that a file holds."""
    data = _bytes_in(path, source, how_to_make)
    if data.startswith(UTF_16_MARKS):
        raise ConfigError([f"{source} is UTF-16; allowed: UTF-8, without a byte order mark"])
    text = data.decode("utf-8", "surrogateescape")  # as os.environ has it
    if not cleaned(text):
        raise ConfigError([f"{source} is empty; allowed: a file that holds the secret"])
    return text


def _bytes_in(path: Path, source: str, how_to_make: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError([_missing(path, source, error, how_to_make)]) from error
    except OSError as error:
        raise ConfigError([f"{source} {unreadable(path, error)}"]) from error
    if len(data) > MAX_SECRET_BYTES:
        raise ConfigError([f"{source} is too large; allowed: {MAX_SECRET_BYTES} bytes"])
    return data


def _missing(path: Path, source: str, error: OSError, how_to_make: str) -> str:
    fault = f"{source} {unreadable(path, error)}"
    return f"{fault}; {how_to_make.format(path=shlex.quote(str(path)))}" if how_to_make else fault
