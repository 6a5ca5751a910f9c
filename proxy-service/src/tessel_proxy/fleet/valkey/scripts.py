"""The scripts that the engine executes, each in one atomic step."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A script in Lua, and the number by which the server remembers it."""

    name: str
    source: bytes
    sha: str


def _script(name: str) -> Script:
    folder = files("tessel_proxy.fleet.valkey") / "lua"
    source = (folder / "common.lua").read_bytes() + (folder / f"{name}.lua").read_bytes()
    # no secret is hashed: the server names scripts by SHA-1
    return Script(name, source, sha1(source, usedforsecurity=False).hexdigest())


RENEW: Final = _script("renew")
LEAVE: Final = _script("leave")
ADMIT: Final = _script("admit")
EXCHANGE: Final = _script("exchange")
TAKE_BYTES: Final = _script("take_bytes")
WRONG_TOKENS: Final = _script("wrong_tokens")
PUBLISH: Final = _script("publish")
CONFIRM: Final = _script("confirm")
CONFIRMED: Final = _script("confirmed")
POSITIONS: Final = _script("positions")
DEVICES: Final = _script("devices")
HOLDER: Final = _script("holder")
REFUSE: Final = _script("refuse")
ALLOW: Final = _script("allow")
RULES: Final = _script("rules")
RESTORE_RULES: Final = _script("restore_rules")
ADD_USAGE: Final = _script("add_usage")
READ_USAGE: Final = _script("read_usage")
ASK: Final = _script("ask")
IS_ASKED: Final = _script("is_asked")
ANSWER: Final = _script("answer")
