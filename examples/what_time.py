"""Datagrams: ask a time server for the time, by SNTP.

    tessel run examples/what_time.py HOST [PORT]

Datagrams go directly, never through the tunnel. Each may be lost, so the program asks up to three
times.
"""

import secrets
import sys
from datetime import UTC, datetime

from tessel import dgram, timers

TRIES = 3
PATIENCE_MS = 1000
PACKET_BYTES = 48
SINCE_1900 = 2_208_988_800  # seconds from 1900 to 1970

if len(sys.argv) not in (2, 3):
    print("usage: tessel run examples/what_time.py HOST [PORT]", file=sys.stderr)
    sys.exit(2)
host, port = (*sys.argv[1:], 123)[:2]
mark = secrets.token_bytes(8)  # in place of our time; the answer repeats it
question = (b"\x23" + bytes(39) + mark).ljust(PACKET_BYTES, b"\0")  # version 4, a client's
tries = iter(range(TRIES))


def ask():
    if next(tries, None) is None:
        sys.exit(f"{host} did not answer")
    socket.send(question, port, host)


def answered(data, sender):
    if len(data) < PACKET_BYTES or data[24:32] != mark:
        return  # somebody else's
    seconds = int.from_bytes(data[40:44], "big")
    if seconds < 2**31:
        seconds += 2**32  # counted from 1900 in 32 bits, it begins anew in 2036
    print(f"{sender['address']} says {datetime.fromtimestamp(seconds - SINCE_1900, UTC):%F %T} UTC")
    timers.clear_interval(again)
    socket.close()


socket = dgram.create_socket("udp4", answered)
again = timers.set_interval(ask, PATIENCE_MS)
ask()
