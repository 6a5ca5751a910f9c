"""AUTH_FILE -> whose each token is, by its hash. All that is wrong with it is told at once.

    # the kitchen's
    kim $scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ...$mZ3...

One token a line, the account's name before it. An account may have several lines; empty ones and
those that begin with # are passed over.
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
"""Salts and costs in one file: each is one more computation for every token that comes. Two are
needed while an owner moves to new ones."""

MAX_FAULTS = 20  # told of one file; a wrong file may have one in each line


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One token's."""

    account: Account
    recipe: HashParameters
    hashed: bytes


@dataclass(frozen=True, slots=True)
class Accounts:
    """What a file says, by recipe and hash."""

    by_recipe: Mapping[HashParameters, Mapping[bytes, Account]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def find(self, token: str) -> TokenLine | None:
        """The token's line, if there is one. Blocking, for as long as the recipes take."""
        for recipe, owners in self.by_recipe.items():
            hashed = recipe.hash(token)
            # Which hash a dictionary finds quickly tells nobody about a token.
            if hashed in owners:
                return TokenLine(owners[hashed], recipe, hashed)
        return None

    def again(self, line: TokenLine) -> TokenLine | None:
        """What has become in this file of a line of another. No computation."""
        owner = self.by_recipe.get(line.recipe, {}).get(line.hashed)
        return None if owner is None else TokenLine(owner, line.recipe, line.hashed)

    def __len__(self) -> int:
        return sum(map(len, self.by_recipe.values()))


def load_accounts(path: Path) -> Accounts:
    """Raises ConfigError with each fault and the number of its line."""
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
    """What the lines that can be used say, and what is wrong with the others."""
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
            faults.append(f"line {number} has the token of line {before}; allowed: one line for it")
        elif recipe not in owners and len(owners) == MAX_RECIPES:
            faults.append(
                f"line {number} has one salt more; allowed: {MAX_RECIPES} in a file "
                "(hash-token takes the file's own when AUTH_FILE is set)"
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
    recipe, nbytes = parsed_hash(hashed)
    return Account.named(name.strip()), recipe, nbytes


TOKEN_BYTES = 32  # of a generated one: beyond all guessing
LEAST_CHARACTERS = 16
"""Of a given one. A token comes without a name, so a guess is one at all accounts together."""


class TokenError(Exception):
    """No line can be made of this."""


def generated_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def given_token(stream: BinaryIO) -> str:
    """The one line that `stream` holds; raises TokenError, which does not quote it."""
    data = stream.read(4 * MAX_TOKEN_CHARACTERS + 2)
    try:
        token = cleaned(data.decode())
    except UnicodeDecodeError:
        raise TokenError("the token is not UTF-8") from None
    if is_quoted(token):
        raise TokenError("the token stands in quotes; allowed: the token without them")
    if not LEAST_CHARACTERS <= len(token) <= MAX_TOKEN_CHARACTERS or not token.isprintable():
        raise TokenError(
            f"a token of {len(token)} characters; "
            f"allowed: {LEAST_CHARACTERS} to {MAX_TOKEN_CHARACTERS} that can be printed"
        )
    return token


def recipe_for(path: Path | None) -> HashParameters:
    """The newest of the file that the line is for, if there is one; raises ConfigError.

    So all lines have one salt, and a token that comes takes one computation.
    """
    if path is not None and path.exists():
        recipes = list(load_accounts(path).by_recipe)
        if recipes:
            return recipes[-1]
    return HashParameters(secrets.token_bytes(SALT_BYTES))


def line_for(name: str, token: str, recipe: HashParameters) -> str:
    """Raises TokenError."""
    try:
        account = Account.named(name)
    except ValueError as error:
        raise TokenError(str(error)) from None
    if account.name != account.name.strip() or name.startswith("#"):
        raise TokenError("allowed: an account's name without # in front and blanks around it")
    return f"{account.name} {hash_text(recipe, recipe.hash(token))}"
