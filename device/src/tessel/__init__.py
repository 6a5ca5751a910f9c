"""A simulated Tessel runtime: what a program on the device imports."""

from tessel.node import dns, events, http, https, net, stream, timers, tls

__all__ = ["dns", "events", "http", "https", "net", "stream", "timers", "tls"]
