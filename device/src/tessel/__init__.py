"""A simulated Tessel runtime: what a program on the device imports."""

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
