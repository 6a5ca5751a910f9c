"""Read AUTH_FILE, which names the account of each token by the token's hash, and write its lines.

    # devices in the kitchen
    kim $scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ...$mZ3...

Each line has an account's name and the hash of one token. An account may have several lines. Empty
lines and lines that begin with # are ignored. All faults of a file are reported at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, TypeAlias

from tessel_proxy.auth.interface import Account
from tessel_proxy.auth.scrypt import SALT_BYTES, HashParameters, hash_text, parsed_hash
from tessel_service_kit.files import FileError, bytes_of
from tessel_service_kit.settings import ConfigError
from tessel_service_kit.texts import MAX_TOKEN_CHARACTERS, cleaned, counted, is_quoted

MAX_FILE_BYTES = 8 * 1024 * 1024  # some 60,000 lines
MAX_RECIPES = 4
"""Different salts and costs in one file. Each costs one more computation for every token that is
checked. Two are needed while an operator moves to new ones."""

MAX_FAULTS = 20  # reported of one file; a wrong file may have one in each line


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A line of AUTH_FILE: an account, the hash of one token, and the parameters of the hash."""

    account: Account
    recipe: HashParameters
    hashed: bytes


Hashes: TypeAlias = Mapping[HashParameters, bytes]
"""The hashes of one token, by the parameters of the hash."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Holds the accounts of AUTH_FILE, by hash parameters and then by the token's hash."""

    by_recipe: Mapping[HashParameters, Mapping[bytes, Account]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def hashes(self, token: str, known: Hashes) -> Hashes:
        """Return the hashes of `token` with each set of hash parameters in the file.

        Blocks the thread: it computes those that are not `known`, until one is in the file.
        """
        hashes = {recipe: each for recipe, each in known.items() if recipe in self.by_recipe}
        for recipe in self.by_recipe:
            if self.line_of(hashes) is not None:
                break
            if recipe not in hashes:
                hashes[recipe] = recipe.hash(token)
        return hashes

    def can_decide(self, hashes: Hashes) -> bool:
        """Return whether these hashes of a token are enough to know whether it is in the file."""
        return self.line_of(hashes) is not None or self.by_recipe.keys() <= hashes.keys()

    def line_of(self, hashes: Hashes) -> TokenLine | None:
        """Return the line that has one of these hashes, or None."""
        for recipe, hashed in hashes.items():
            # The time of a dictionary look-up reveals nothing: it depends on the hash alone.
            owner = self.by_recipe.get(recipe, {}).get(hashed)
            if owner is not None:
                return TokenLine(owner, recipe, hashed)
        return None

    def find(self, token: str) -> TokenLine | None:
        """Return the line that has the hash of `token`, or None. Blocks, as `hashes` does."""
        return self.line_of(self.hashes(token, {}))

    def again(self, line: TokenLine) -> TokenLine | None:
        """Return the line of this file with the same hash and parameters as `line`, or None.

        Used after a reload, with a line of the earlier file. Computes no hash.
        """
        return self.line_of({line.recipe: line.hashed})

    def __len__(self) -> int:
        return sum(map(len, self.by_recipe.values()))


def load_accounts(path: Path) -> Accounts:
    """Return the accounts in the AUTH_FILE at `path`.

    Raises ConfigError, which lists up to MAX_FAULTS faults with their line numbers, or says why the
    file cannot be read.
    """
    accounts, faults = read_accounts(_text_of(path))
    if faults:
        shown = [f"AUTH_FILE={str(path)!r}, {fault}" for fault in faults[:MAX_FAULTS]]
        if len(faults) > MAX_FAULTS:
            more = counted(len(faults) - MAX_FAULTS, "more fault")
            shown.append(f"AUTH_FILE={str(path)!r} has {more}")
        raise ConfigError(shown)
    return accounts


def _text_of(path: Path) -> str:
    source = f"AUTH_FILE={str(path)!r}"
    try:
        return bytes_of(path, MAX_FILE_BYTES).decode()
    except FileError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        how = "; `tessel-proxy hash-token ACCOUNT` makes a line for it" if missing else ""
        raise ConfigError([f"{source} {error}{how}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{source} is not UTF-8 at byte {error.start}"]) from None


def read_accounts(text: str) -> tuple[Accounts, list[str]]:
    """Return the accounts of the valid lines in `text`, and the faults of the other lines.

    Each fault is a text that begins with its line number.
    """
    owners: dict[HashParameters, dict[bytes, Account]] = {}
    lines: dict[tuple[HashParameters, bytes], int] = {}
    faults = []
    for number, line in _lines(text):
        try:
            account, recipe, hashed = _entry(line)
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        before = lines.setdefault((recipe, hashed), number)
        if before != number:
            faults.append(f"line {number} has the token of line {before}; allowed: one line each")
        elif recipe not in owners and len(owners) == MAX_RECIPES:
            faults.append(
                f"line {number} has another salt; allowed: {MAX_RECIPES} different ones in a file "
                "(hash-token uses a salt of the file if AUTH_FILE is set)"
            )
        else:
            owners.setdefault(recipe, {})[hashed] = account
    return Accounts(owners), faults


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        said = cleaned(line)
        if said and not said.startswith("#"):
            yield number, said


def _entry(line: str) -> tuple[Account, HashParameters, bytes]:
    name, _, hashed = line.rpartition(" ")
    recipe, digest = parsed_hash(hashed)
    return Account.named(name.strip()), recipe, digest


TOKEN_BYTES = 32  # random bytes in a generated token: it cannot be guessed
LEAST_CHARACTERS = 16
"""Characters in a token of the operator's own. A device sends no account name, so that one guess
tries the tokens of all accounts."""


class TokenError(Exception):
    """An operator's account name or token cannot be used in a line of AUTH_FILE."""


def generated_token() -> str:
    """Return a new random token of 32 bytes, as 43 URL-safe characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def given_token(stream: BinaryIO) -> str:
    """Return the token in `stream`, without spaces and the line end around it.

    Raises TokenError if the token is not UTF-8, is in quotes, is too short or too long, or has
    unprintable characters. The error does not quote the token.
    """
    data = stream.read(4 * MAX_TOKEN_CHARACTERS + 2)
    try:
        token = cleaned(data.decode())
    except UnicodeDecodeError:
        raise TokenError("the token is not UTF-8") from None
    if is_quoted(token):
        raise TokenError("the token is in quotes; allowed: the token without them")
    if not LEAST_CHARACTERS <= len(token) <= MAX_TOKEN_CHARACTERS or not token.isprintable():
        raise TokenError(
            f"a token of {len(token)} characters; "
            f"allowed: {LEAST_CHARACTERS} to {MAX_TOKEN_CHARACTERS} printable characters"
        )
    return token


def recipe_for(path: Path | None) -> HashParameters:
    """Return the hash parameters to use for a new line of the AUTH_FILE at `path`.

    They are the last ones in the file: if all lines share one salt, the check of a token takes one
    computation. If `path` is None, or the file is missing or empty, they have a new random salt.
    Raises ConfigError if the file has faults.
    """
    if path is not None and path.exists():
        recipes = list(load_accounts(path).by_recipe)
        if recipes:
            return recipes[-1]
    return HashParameters(secrets.token_bytes(SALT_BYTES))


def line_for(name: str, token: str, recipe: HashParameters) -> str:
    """Return the line of AUTH_FILE for this account name and token, without a line end.

    Blocks the thread to compute the hash. Raises TokenError if the name is not allowed.
    """
    try:
        account = Account.named(name)
    except ValueError as error:
        raise TokenError(str(error)) from None
    if account.name != account.name.strip() or name.startswith("#"):
        raise TokenError("an account's name has # in front or spaces around it; allowed: neither")
    return f"{account.name} {hash_text(recipe, recipe.hash(token))}"
