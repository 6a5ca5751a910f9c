"""twenty_sockets.py HOST PORT: open twenty sockets, and send a word through each that is connected.

HOST and PORT are those of an echo service. The chip of a Tessel has only four sockets.
"""

import sys
from collections import Counter

from tessel import net

SOCKETS = 20

if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
    print("usage: tessel run demo/twenty_sockets.py HOST PORT", file=sys.stderr)
    sys.exit(2)
host, port = sys.argv[1], int(sys.argv[2])
connected = []
errors = Counter()
echoes = []


def settled():
    if len(connected) + errors.total() < SOCKETS:
        return
    print(f"{len(connected)} of {SOCKETS} sockets are connected.")
    for error, times in errors.items():
        print(f"{times} times: {error}")
    for number, socket in connected:
        talk(socket, b"word %d" % number)


def talk(socket, word):
    def echoed(data):
        echoes.append(data)
        assert data == word, (data, word)
        socket.destroy()
        if len(echoes) == len(connected):
            print(f"{len(echoes)} of them got their own word back.")

    socket.on("data", echoed)
    socket.write(word)


def open_one(number):
    def opened():
        connected.append((number, socket))
        settled()

    def failed(error):
        errors[str(error)] += 1
        settled()

    socket = net.connect(port, host, opened)
    socket.on("error", failed)


for number in range(SOCKETS):
    open_one(number)
