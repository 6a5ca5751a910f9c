"""The messages between host and CC3000, encoded and decoded for both sides.

`packets` has the four kinds of packet; `wlan`, `sockets`, `names` and `netapp` the commands;
`replies` their answers; `events` what the chip reports without being asked.
"""

__all__ = [
    "codes",
    "command",
    "commands",
    "events",
    "fields",
    "names",
    "netapp",
    "packets",
    "replies",
    "sockets",
    "wlan",
]
