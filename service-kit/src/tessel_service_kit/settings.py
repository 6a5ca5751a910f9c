"""Read settings from environment variables into a frozen dataclass, and report all faults at once.

A service declares a subclass of Settings; each field is made by `setting`. This table is the only
place that lists the settings: it yields the values, and with settings_help.py the text of `--help`
and hints about misspelt names.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from tessel_service_kit.files import unreadable
from tessel_service_kit.texts import cleaned, is_quoted, without_line_ends, without_login

T = TypeVar("T")

METADATA_KEY: Final = "setting"
MAX_SECRET_BYTES: Final = 64 * 1024  # of a secret's file, in case the path names a disk
FILE_SUFFIX: Final = "_FILE"
UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class ConfigError(Exception):
    """Some settings are wrong. `faults` holds one sentence for each of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, default, description for `--help`, and parser."""

    name: str
    default: str  # as it would be written in the environment
    meaning: str
    parse: Callable[[str], object]
    secret: bool  # the value is never shown, and NAME_FILE may name a file that holds it
    exact: bool = False  # quotes and spaces around the value are part of it
    how_to_make: str = ""  # added to the fault "the secret's file does not exist"
    aliases: tuple[str, ...] = ()  # other variables for it; the first that is set counts
    max_bytes: int = MAX_SECRET_BYTES  # of a secret's file

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that may hold the value: NAME, NAME_FILE for a secret, and aliases."""
        endings = ("", FILE_SUFFIX) if self.secret else ("",)
        return tuple(name + ending for name in (self.name, *self.aliases) for ending in endings)

    def read(self, environ: Mapping[str, str]) -> object:
        """Return the value in this environment, or the default if it is unset or empty.

        Raises:
            ConfigError: the value is not allowed, or NAME and NAME_FILE are both set.
        """
        given = self.given(environ)
        if not given:
            return self.parse(self.default)
        if len(given) > 1 and not self.aliases:
            raise ConfigError([f"{' and '.join(given)} are both set; allowed: one of them"])
        name, text = given[0], environ[given[0]]
        shown = f"{name}={without_login(text)!r}"
        source = name if self.secret and not self.names_file(name) else shown
        if self.names_file(name):
            text = _secret_in(_path(text, source), source, self.how_to_make, self.max_bytes)
        return self._value(text, source)

    def given(self, environ: Mapping[str, str]) -> list[str]:
        """Return the variables of this setting that hold more than whitespace in `environ`."""
        return [name for name in self.names if cleaned(environ.get(name, ""))]

    def names_file(self, name: str) -> bool:
        """Return whether this variable of the setting names a file that holds the value."""
        return name not in (self.name, *self.aliases)

    def file(self, environ: Mapping[str, str]) -> SecretFile | None:
        """Return the file that holds the value; None if there is none or it is not a regular file.

        Other kinds of files, such as a pipe, cannot be read a second time.
        """
        name = next(iter(self.given(environ)), self.name)
        path = Path(cleaned(environ.get(name, "")))
        found = self.names_file(name) and path.is_file()
        return SecretFile(self, environ, name, path) if found else None

    def _value(self, text: str, source: str) -> object:
        """Parse the text; `source` names it in a ConfigError."""
        text = without_line_ends(text) if self.exact else _plain(text, source)
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigError([f"{source}; allowed: {error}"]) from None

    def show(self, value: object) -> str:
        """Return a value as text for operators. A secret is shown as `(set)`."""
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
    aliases: tuple[str, ...] = (),
    max_bytes: int = MAX_SECRET_BYTES,
) -> T:
    """Declare a field of a Settings class.

    Args:
        name: the environment variable.
        default: the text that is parsed if the variable is unset or empty.
        meaning: description for `--help`: what it limits or switches, its unit, what 0 and unset
            mean.
        parse: returns the value of a text, or raises ValueError with a text that says what is
            allowed.
        secret: never show the value, and accept NAME_FILE for a file that holds it.
        exact: pass the text to `parse` with the spaces and quotes around it.
        how_to_make: how to create a secret's file; added to the fault if the file does not exist.
            `{path}` in it becomes the path.
        aliases: other variables for the value, each with its own _FILE for a secret. The first
            variable that is set counts.
        max_bytes: limit for a secret's file.
    """
    described = Setting(
        name, default, meaning, parse, secret, exact, how_to_make, aliases, max_bytes
    )
    return field(default=parse(default), repr=not secret, metadata={METADATA_KEY: described})


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A regular file that holds a secret setting, which can be read again at a reload."""

    setting: Setting
    environ: Mapping[str, str] = field(repr=False)
    name: str  # the environment variable that names the file
    path: Path

    def read(self) -> object:
        """Return the value that the file holds now.

        Raises:
            ConfigError: the value is not allowed, or the file cannot be read or is not a regular
                file any more (a FIFO could block the process).
        """
        if self.path.exists() and not self.path.is_file():
            raise ConfigError([f"{self.name}={str(self.path)!r} is not a regular file any more"])
        return self.setting.read(self.environ)


@dataclass(frozen=True, slots=True)
class Settings:
    """Base class for the settings of a program, which are read from environment variables.

    A field is read if it was made with `setting`.
    """

    @classmethod
    def table(cls) -> dict[str, Setting]:
        """Return the settings by field name, in the order of their declaration."""
        found = ((each.name, each.metadata.get(METADATA_KEY)) for each in fields(cls))
        return {name: setting for name, setting in found if setting is not None}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that an environment holds.

        Raises:
            ConfigError: with the faults of all settings.
        """
        return _without_faults(cls.read(environ))

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        """Read all settings; return them with a list of faults instead of raising ConfigError.

        A setting with a fault gets its default, so that the caller can go on to check other things.
        """
        return cls.read_only(environ, cls.table())

    @classmethod
    def some_from_env(cls, environ: Mapping[str, str], *names: str) -> Self:
        """Read only the fields with these names; the other fields get their defaults.

        For commands that need few settings, and run before the others are set.

        Raises:
            ConfigError: with all faults of these settings.
        """
        return _without_faults(cls.read_only(environ, names))

    @classmethod
    def read_only(cls, environ: Mapping[str, str], names: Iterable[str]) -> tuple[Self, list[str]]:
        """Read the fields with these names; return the settings with a list of faults.

        Fields that are not named, or have a fault, get their defaults.
        """
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
        """Return the name and the value of each setting as text. A secret is shown as `(set)`."""
        return [(each.name, each.show(getattr(self, name))) for name, each in self.table().items()]


S = TypeVar("S", bound=Settings)


def _without_faults(read: tuple[S, list[str]]) -> S:
    settings, faults = read
    if faults:
        raise ConfigError(faults)
    return settings


def _plain(text: str, source: str) -> str:
    """Return the text without whitespace around it. Raises ConfigError if it is in quotes."""
    text = cleaned(text)
    if is_quoted(text):
        raise ConfigError([f"{source} is in quotes; allowed: the value without quotes"])
    return text


def _path(text: str, source: str) -> Path:
    return Path(_plain(text, source))


def _secret_in(path: Path, source: str, how_to_make: str, max_bytes: int) -> str:
    """Return the text of a file; raises ConfigError."""
    data = _bytes_in(path, source, how_to_make, max_bytes)
    if data.startswith(UTF_16_MARKS):
        raise ConfigError([f"{source} is UTF-16; allowed: UTF-8, without a byte order mark"])
    text = data.decode("utf-8", "surrogateescape")  # as os.environ has it
    if not cleaned(text):
        raise ConfigError([f"{source} is empty; allowed: a file that holds the secret"])
    return text


def _bytes_in(path: Path, source: str, how_to_make: str, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise ConfigError([_missing(path, source, error, how_to_make)]) from error
    except OSError as error:
        raise ConfigError([f"{source} {unreadable(path, error)}"]) from error
    if len(data) > max_bytes:
        raise ConfigError([f"{source} is too large; allowed: {max_bytes} bytes"])
    return data


def _missing(path: Path, source: str, error: OSError, how_to_make: str) -> str:
    fault = f"{source} {unreadable(path, error)}"
    return f"{fault}; {how_to_make.format(path=shlex.quote(str(path)))}" if how_to_make else fault
