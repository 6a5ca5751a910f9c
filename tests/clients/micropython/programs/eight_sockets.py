"""Eight sockets with windows of 1 KiB at once; prints the heap that each step takes."""

import gc
import json
import sys

gc.collect()
FREE = gc.mem_free()


def step(name):
    gc.collect()
    print(name, FREE - gc.mem_free(), gc.mem_free())


import tessel_tunnel

step("module")
with open(sys.argv[1]) as file:
    settings = json.load(file)
PORT = int(sys.argv[2])
tunnel = tessel_tunnel.Tunnel(**settings)
tunnel.connect()
settings = file = None
step("tunnel")
sockets = []
for _ in range(8):
    socket = tunnel.socket()
    socket.connect(("127.0.0.1", PORT))
    socket.write(b"\x00\x00\x40\x00")  # the target sends 16 KiB
    sockets.append(socket)
step("sockets")
buf = bytearray(128)
received = 0
while sockets:
    for socket in list(sockets):
        count = socket.recv_into(buf)
        received += count
        if not count:
            sockets.remove(socket)
            socket.close()
step("closed")
print("received", received)
