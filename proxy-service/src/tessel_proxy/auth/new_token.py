"""A token, and its account -> the line for AUTH_FILE."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import BinaryIO

from tessel_proxy.auth.account_file import load_accounts
from tessel_proxy.auth.interface import Account
from tessel_proxy.auth.scrypt import SALT_BYTES, Recipe, written
from tessel_service_kit.texts import MAX_TOKEN_CHARACTERS, cleaned, is_quoted

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


def recipe_for(path: Path | None) -> Recipe:
    """The newest of the file that the line is for, if there is one; raises ConfigError.

    So all lines have one salt, and a token that comes takes one computation.
    """
    if path is not None and path.exists():
        recipes = list(load_accounts(path).by_recipe)
        if recipes:
            return recipes[-1]
    return Recipe(secrets.token_bytes(SALT_BYTES))


def line_for(name: str, token: str, recipe: Recipe) -> str:
    """Raises TokenError."""
    try:
        account = Account.named(name)
    except ValueError as error:
        raise TokenError(str(error)) from None
    if account.name != account.name.strip() or name.startswith("#"):
        raise TokenError("allowed: an account's name without # in front and blanks around it")
    return f"{account.name} {written(recipe, recipe.hash(token))}"
