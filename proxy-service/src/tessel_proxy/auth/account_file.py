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
from typing import BinaryIO

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
    """One token: its account, and its hash with the parameters that made it."""

    account: Account
    recipe: HashParameters
    hashed: bytes


@dataclass(frozen=True, slots=True)
class Accounts:
    """The tokens of a file: accounts by hash parameters, then by hash."""

    by_recipe: Mapping[HashParameters, Mapping[bytes, Account]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def find(self, token: str) -> TokenLine | None:
        """The line of the token, or None. Blocks: one scrypt computation for each parameters."""
        for recipe, owners in self.by_recipe.items():
            hashed = recipe.hash(token)
            # The time of a dictionary look-up reveals nothing: it depends on the hash alone.
            if hashed in owners:
                return TokenLine(owners[hashed], recipe, hashed)
        return None

    def again(self, line: TokenLine) -> TokenLine | None:
        """The line of this file with the same hash as a line of another file. Does not hash."""
        owner = self.by_recipe.get(line.recipe, {}).get(line.hashed)
        return None if owner is None else TokenLine(owner, line.recipe, line.hashed)

    def __len__(self) -> int:
        return sum(map(len, self.by_recipe.values()))


def load_accounts(path: Path) -> Accounts:
    """Read the file. Raises ConfigError with each fault and the number of its line."""
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
    """The accounts of the lines that can be used, and the faults of the others."""
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
    """No line of AUTH_FILE can be made from this account or token."""


def generated_token() -> str:
    """A new random token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def given_token(stream: BinaryIO) -> str:
    """The token in `stream`, which holds one line. Raises TokenError, which does not quote it."""
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
    """The hash parameters for a new line of the file at `path`; raises ConfigError.

    They are the last ones in the file, so that all lines share one salt and the check of a token
    takes one computation. If there is no file they have a new salt.
    """
    if path is not None and path.exists():
        recipes = list(load_accounts(path).by_recipe)
        if recipes:
            return recipes[-1]
    return HashParameters(secrets.token_bytes(SALT_BYTES))


def line_for(name: str, token: str, recipe: HashParameters) -> str:
    """The line of AUTH_FILE for this account and token. Raises TokenError for a bad name."""
    try:
        account = Account.named(name)
    except ValueError as error:
        raise TokenError(str(error)) from None
    if account.name != account.name.strip() or name.startswith("#"):
        raise TokenError("an account's name has # in front or spaces around it; allowed: neither")
    return f"{account.name} {hash_text(recipe, recipe.hash(token))}"
