"""A simulated Tessel 1. A program imports Node's modules from here: `from tessel import http`.

The network of the device (its radio, and a tunnel to a proxy) is that of `tessel run`.

A module is loaded when it is first used: a JavaScript program needs none of them, and most Python
programs need few.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tessel.node import dgram, dns, events, http, https, net, stream, timers, tls, wifi

__all__ = [
    "dgram",
    "dns",
    "events",
    "http",
    "https",
    "net",
    "stream",
    "timers",
    "tls",
    "wifi",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> ModuleType:
    """Return one of Node's modules, which is loaded if this is its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"tessel.node.{name}")
