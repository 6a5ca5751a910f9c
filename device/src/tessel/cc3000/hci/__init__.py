"""The messages between host and CC3000, encoded and decoded for both sides.

`packets` has the four kinds of packet. `wlan`, `sockets`, `names` and `netapp` have the commands,
`replies` has their answers, and `events` has the events that do not answer a command.
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
