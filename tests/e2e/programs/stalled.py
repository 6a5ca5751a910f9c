"""stalled.py HOST PORT BYTES: stops reading one download, ends another, and leaves the first."""

import sys

from tessel import net

host, port, nbytes = sys.argv[1:]
ENDLESS = 200_000_000
received = 0


def stop_reading(_):
    stalled.pause()
    other = net.connect(int(port), host)
    other.on("data", count)
    other.on("end", leave)
    other.write(nbytes.encode() + b"\n")


def count(data):
    global received
    received += len(data)


def leave():
    print("the other got", received)
    stalled.destroy()


stalled = net.connect(int(port), host)
stalled.once("data", stop_reading)
stalled.on("close", lambda had_error: print("left", "with an error" if had_error else "quietly"))
stalled.write(b"%d\n" % ENDLESS)
