"""A simulated Tessel 1. A program imports Node's modules from here: `from tessel import http`.

The network of the device (its radio, and a tunnel to a proxy) is that of `tessel run`.
"""

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
