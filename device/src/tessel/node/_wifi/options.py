"""The options of `wifi.connect`, as the Tessel took them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tessel.errors import NodeError
from tessel.node.base.arguments import check_options

DEFAULT_TIMEOUT_S = 20.0  # the Tessel's
SECURITIES = ("unsecured", "wep", "wpa", "wpa2")
LONGEST_SSID, LONGEST_PASSWORD = 32, 64  # bytes
OPTIONS = frozenset({"ssid", "password", "security", "timeout"})
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Joining:
    """Holds the checked options of `wifi.connect`: the network to join, and the timeout (s)."""

    ssid: bytes
    security: str
    key: bytes = field(repr=False)
    timeout_s: float


def parsed(given: Mapping[str, object]) -> Joining:
    """Return the checked options of `wifi.connect`; raises NodeError for a wrong option."""
    check_options(given, OPTIONS, "wifi.connect")
    ssid = _as_bytes(given, "ssid", LONGEST_SSID)
    key = _as_bytes(given, "password", LONGEST_PASSWORD)
    security = _security(given.get("security"), has_password=bool(key))
    if not ssid:
        raise _bad("ssid", "the name of a network", given.get("ssid"))
    if security != "unsecured" and not key:
        raise _bad("password", f"text, for {security}", None)
    return Joining(ssid, security, key, _timeout_s(given.get("timeout")))


def _security(value: object, *, has_password: bool) -> str:
    """In any case, as the Tessel took it."""
    if value is None or value == "":
        return "wpa2" if has_password else "unsecured"
    name = value.lower() if isinstance(value, str) else value
    if name not in SECURITIES:
        raise _bad("security", " or ".join(SECURITIES), value)
    return str(name)


def _timeout_s(value: object) -> float:
    """As the Tessel took it: the number that text begins with, and 20 s for 0 or nothing."""
    if isinstance(value, str) and value.strip():
        digits = _WHOLE_NUMBER.match(value)
        if digits is None:
            raise _bad("timeout", "a number of seconds", value)
        value = int(digits[0])
    elif isinstance(value, str):
        value = 0
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise _bad("timeout", "a number of seconds", value)
    if not value or value != value or value == float("inf"):  # noqa: PLR0124 - NaN
        return DEFAULT_TIMEOUT_S
    if value < 0:
        raise _bad("timeout", "a number of seconds", value)
    return float(value)


def _as_bytes(options: Mapping[str, object], name: str, longest: int) -> bytes:
    value = options.get(name)
    if value is None:
        return b""
    data = value.encode() if isinstance(value, str) else value
    if not isinstance(data, bytes) or len(data) > longest:
        raise _bad(name, f"text of at most {longest} bytes", "it" if name == "password" else value)
    return data


def _bad(name: str, expected: str, value: object) -> NodeError:
    return NodeError(
        f"The option {name!r} must be {expected}. Received {value!r}", "ERR_INVALID_ARG_VALUE"
    )
