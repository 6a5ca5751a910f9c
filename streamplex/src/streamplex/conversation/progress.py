"""Events that the proxy sends on a substream. None of them has arguments."""

from __future__ import annotations

LOOKED_UP = "lookup"
"""The proxy looked up the target's name, with or without success. Not sent for IP addresses."""

CONNECTED = "connect"
"""The proxy connected to the target over TCP."""

SECURED = "secureConnect"
"""The proxy completed TLS with the target and accepted its certificate. `tls` substreams only."""

IDLE = "timeout"
"""No data was transferred for the idle timeout that the device set. Nothing is closed."""

CLOSED = "close"
"""The proxy sends nothing more on this substream."""
