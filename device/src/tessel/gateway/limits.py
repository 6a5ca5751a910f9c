"""The limits of the gateway, with the reasons for their values."""

from __future__ import annotations

from typing import Final

EARLY_BYTES: Final = 64 * 1024
"""Bytes of a client that wait for the connection to its target: one read of a socket. With more,
the gateway stops reading from the client."""

OPENING_TIMEOUT_S: Final = 70.0
"""From a client's request to the answer. The network gives up after 60 s for a target
(`CONNECT_TIMEOUT_S`); this limit also counts the wait for a tunnel, which can be as long as the
backoff."""

LINGER_S: Final = 2.0
"""Time for a client that was refused to read the answer and close. Closing at once could destroy
the answer: a system resets a connection that it closes with unread bytes."""

HALF_CLOSED_IDLE_S: Final = 900.0
"""A connection of which one side has ended, and on which no byte moved for this time, is reset. A
client that died looks the same as one that only ended its side. Servers that answer after the end
of their input do so within minutes."""

STOP_TIMEOUT_S: Final = 9.0
"""Time to close the tunnel (5 s, `CLOSE_TIMEOUT_S`) and to switch the radio off."""
