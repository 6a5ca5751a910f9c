"""Prints the bytes of heap that a download takes, and its milliseconds; nothing is collected."""

import gc
import json
import sys
from time import ticks_diff, ticks_ms

import tessel_tunnel

with open(sys.argv[1]) as file:
    settings = json.load(file)
tunnel = tessel_tunnel.Tunnel(**settings)
buf = bytearray(1024)


def download(count):
    socket = tunnel.socket()
    socket.connect(("127.0.0.1", int(sys.argv[2])))
    socket.write(count.to_bytes(4, "big"))
    socket.recv_into(buf)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    started = ticks_ms()
    received = 0
    while got := socket.recv_into(buf):
        received += got
    spent = ticks_diff(ticks_ms(), started)
    print(received, gc.mem_alloc() - before, spent)
    gc.enable()
    socket.close()


for count in sys.argv[3:]:
    download(int(count))
