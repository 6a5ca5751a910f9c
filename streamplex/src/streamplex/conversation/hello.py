"""The device's first message: its token, the features that it offers, its name, its window."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamplex.conversation.negotiation import (
    FEATURES,
    common_features,
    first_window,
    offered,
)
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
    """The first message of a device, which carries its token.

    `token` is None if the message has no token, or a token that is not text. `features` are the
    features that the device offers; None if the device does not negotiate features. `device` is the
    name of the device; None if it sent no usable name. `device_faulty` is True if the device sent a
    name that cannot be used. `window` is the number of bytes that the proxy may send on each new
    substream before it needs more credit.
    """

    token: str | None = field(repr=False)
    features: frozenset[str] | None = None
    device: str | None = None
    device_faulty: bool = False
    window: int = FIRST_WINDOW_BYTES

    @property
    def common(self) -> frozenset[str]:
        """The features that both the device and this library support."""
        return common_features(self.features)


def offer(token: str | None, device: str | None, window: int) -> Hello:
    """Return the first message of a device that offers every feature of this library.

    `device` is the device's name; if it is None, the feature `device/1` is not offered. `window` is
    the number of bytes that the proxy may send on each new substream.
    """
    features = frozenset(FEATURES) if device is not None else frozenset(FEATURES) - {DEVICE}
    return Hello(token=token, features=features, device=device, window=window)


def encode_hello(hello: Hello) -> Json:
    """Return the JSON value of the first message of a device."""
    said: dict[str, Json] = {"token": hello.token}
    if hello.features is not None:
        said |= {"features": sorted(hello.features), "window": hello.window}
    if hello.device is not None:
        said["device"] = hello.device
    return said


def decode_hello(value: Json) -> Hello:
    """Return the meaning of the JSON value that a device sent as its first message.

    Any value is accepted. `token` is None if the value has no token that is text.
    """
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
