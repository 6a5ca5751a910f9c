"""The proxy conversation, layer 4 of docs/wire.md: what peers say -> typed requests, and answers.

Everything here comes from strangers: whatever JSON it is, it has a meaning or is a BadRequestError.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field

from streamplex import features
from streamplex.credit import FIRST_WINDOW_BYTES
from streamplex.jsontext import Json
from streamplex.refusals import Reason

OUR_FEATURES = (
    features.REUSE,
    features.HALFCLOSE,
    features.RETRY,
    features.REASON,
    features.DEVICE,
    features.GOAWAY,
    features.PING,
    features.CREDIT,
)

# Events of a substream. A device sends the first two, the server the others.
CONNECT = "_pls_connect"
TIMEOUT = "_pls_timeout"
LOOKED_UP = "lookup"
CONNECTED = "connect"
SECURED = "secureConnect"
IDLE = "timeout"
CLOSED = "close"

MAX_DEVICE_CHARACTERS = 64
MAX_HOST_CHARACTERS = 256  # a name of the DNS has 253, and IDNA makes names longer
MAX_TIMEOUT_MS = 2**31 - 1  # what timers of JavaScript can count; Node cuts longer ones to it

_MAX_PORT = 65535
_PORT_DIGITS = re.compile(r"[0-9]{1,5}")
_SHOWN_CHARACTERS = 60
_MISSING: Json = object()  # the argument was not sent; `null` would be a value


class BadRequestError(Exception):
    """A substream's peer asked for what cannot be; the text is for that peer."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A device's message that carries a token, or should."""

    token: str | None = field(repr=False)
    features: frozenset[str] | None  # None: the peer does not know of features
    device: str | None
    device_faulty: bool
    window: int = FIRST_WINDOW_BYTES  # what the device lets us send on each new substream

    @property
    def common(self) -> frozenset[str]:
        """The features that both ends name."""
        return frozenset(OUR_FEATURES) & (self.features or frozenset())


def parse_hello(said: Json) -> Hello:
    """Whatever the object is: without a token that is text it counts as a wrong token."""
    if not isinstance(said, dict):
        return Hello(None, None, None, device_faulty=False)
    token = said.get("token")
    named = features.offered(said) if "features" in said else None
    told = named is not None and features.DEVICE in named and "device" in said
    device = said.get("device") if told else None
    usable = _is_device_name(device)
    return Hello(
        token=token if isinstance(token, str) else None,
        features=named,
        device=device if usable else None,
        device_faulty=told and not usable,
        window=features.first_window(said),
    )


def _is_device_name(name: Json) -> bool:
    # It stands in log lines: nothing that could break one.
    return isinstance(name, str) and 0 < len(name) <= MAX_DEVICE_CHARACTERS and name.isprintable()


ALREADY_ACCEPTED: Json = {"authed": True}
NOT_AUTHORIZED: Json = {"error": "Not authorized!"}


def accepted(hello: Hello, window: int) -> Json:
    """The answer to a right token. `window` is what the device may send on each new substream."""
    windows = {"window": window} if features.CREDIT in hello.common else {}
    return {"authed": True} | _our_features(hello) | windows


def refused(hello: Hello, *, try_again: bool, reason: Reason) -> Json:
    """The answer to a wrong token, or to one that could not be checked now."""
    answer: dict[str, Json] = {"authed": False}
    if features.RETRY in hello.common:
        answer["retry"] = try_again
    if features.REASON in hello.common:
        answer["reason"] = reason.value
    return answer | _our_features(hello)


def _our_features(hello: Hello) -> dict[str, Json]:
    return {} if hello.features is None else {"features": list(OUR_FEATURES)}


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """Where a device wants a substream to lead."""

    port: int
    host: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_connect(args: tuple[Json, ...]) -> ConnectRequest:
    """The arguments of `_pls_connect`; raises BadRequestError."""
    port, host = (*args, _MISSING, _MISSING)[:2]
    return ConnectRequest(_port(port), _host(host))


def _port(port: Json) -> int:
    if isinstance(port, str) and _PORT_DIGITS.fullmatch(port):
        port = int(port)
    if type(port) is not int or not 1 <= port <= _MAX_PORT:  # a boolean is an int to isinstance
        raise BadRequestError(
            f"ERR_SOCKET_BAD_PORT: port {_shown(port)}; allowed: an integer from 1 to {_MAX_PORT}"
        )
    return port


def _host(host: Json) -> str:
    if not isinstance(host, str) or not 0 < len(host) <= MAX_HOST_CHARACTERS:
        raise BadRequestError(
            f"ERR_INVALID_ARG_VALUE: host {_shown(host)}; "
            f"allowed: text of 1 to {MAX_HOST_CHARACTERS} characters"
        )
    return host


def parse_timeout(args: tuple[Json, ...]) -> float:
    """The argument of `_pls_timeout`, in seconds; 0 disarms. Raises BadRequestError."""
    ms: Json = args[0] if args else _MISSING
    if isinstance(ms, bool) or not isinstance(ms, int | float) or not 0 <= ms < math.inf:
        raise BadRequestError(
            f"ERR_INVALID_ARG_VALUE: timeout {_shown(ms)}; "
            "allowed: milliseconds, a finite number of at least 0"
        )
    return float(min(ms, MAX_TIMEOUT_MS)) / 1000


def _shown(value: Json) -> str:
    """The value as its sender wrote it, in JSON, and not as Python writes it."""
    if value is _MISSING:
        return "missing"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
