"""The device's first message: its token, the features that it offers, its name, its window."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamplex.conversation.negotiation import FEATURES, first_window, offered
from streamplex.credit import FIRST_WINDOW_BYTES
from streamplex.features import DEVICE
from streamplex.jsontext import Json

__all__ = [
    "FEATURES",
    "MAX_DEVICE_CHARACTERS",
    "Hello",
    "decode_hello",
    "encode_hello",
    "offer",
]

MAX_DEVICE_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Hello:
    """A device's message that carries its token.

    `token` is None if the message has none, or one that is not text. `features` is None if the
    peer does not negotiate features at all. `device` is the device's name; `device_faulty` says
    that it sent one that cannot be used. `window` is the number of bytes that the proxy may send
    on each new substream.
    """

    token: str | None = field(repr=False)
    features: frozenset[str] | None = None
    device: str | None = None
    device_faulty: bool = False
    window: int = FIRST_WINDOW_BYTES

    @property
    def common(self) -> frozenset[str]:
        """The features that both ends name."""
        return frozenset(FEATURES) & (self.features or frozenset())


def offer(token: str | None, device: str | None, window: int) -> Hello:
    """Return the hello of a device that offers every feature of this library."""
    features = frozenset(FEATURES) if device is not None else frozenset(FEATURES) - {DEVICE}
    return Hello(token=token, features=features, device=device, window=window)


def encode_hello(hello: Hello) -> Json:
    """Return the JSON value that a device sends."""
    said: dict[str, Json] = {"token": hello.token}
    if hello.features is not None:
        said |= {"features": sorted(hello.features), "window": hello.window}
    if hello.device is not None:
        said["device"] = hello.device
    return said


def decode_hello(value: Json) -> Hello:
    """Return the hello in any JSON value. Without a token that is text, `token` is None."""
    if not isinstance(value, dict):
        return Hello(None)
    token = value.get("token")
    features = offered(value) if "features" in value else None
    has_name = features is not None and DEVICE in features and "device" in value
    device = value.get("device") if has_name else None
    usable = _is_device_name(device)
    return Hello(
        token=token if isinstance(token, str) else None,
        features=features,
        device=device if usable else None,
        device_faulty=has_name and not usable,
        window=first_window(value),
    )


def _is_device_name(name: Json) -> bool:
    # The name is printed in log lines, so it must not contain a line break.
    return isinstance(name, str) and 0 < len(name) <= MAX_DEVICE_CHARACTERS and name.isprintable()
