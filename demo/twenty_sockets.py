"""twenty_sockets.py HOST PORT: opens twenty sockets, and uses them when it is known which stand.

On a Tessel's chip there are four. Those that stand say a word to the echo at HOST and PORT.
"""

import sys
from collections import Counter

from tessel import net

SOCKETS = 20

if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
    print("usage: tessel run demo/twenty_sockets.py HOST PORT", file=sys.stderr)
    sys.exit(2)
host, port = sys.argv[1], int(sys.argv[2])
standing = []
errors = Counter()
heard = []


def settled():
    if len(standing) + errors.total() < SOCKETS:
        return
    print(f"{len(standing)} of {SOCKETS} sockets stand.")
    for error, times in errors.items():
        print(f"{times} times: {error}")
    for number, socket in standing:
        talk(socket, b"word %d" % number)


def talk(socket, word):
    def echoed(octets):
        heard.append(octets)
        assert octets == word, (octets, word)
        socket.destroy()
        if len(heard) == len(standing):
            print(f"{len(heard)} of them heard their own word.")

    socket.on("data", echoed)
    socket.write(word)


def open_one(number):
    def stands():
        standing.append((number, socket))
        settled()

    def failed(error):
        errors[str(error)] += 1
        settled()

    socket = net.connect(port, host, stands)
    socket.on("error", failed)


for number in range(SOCKETS):
    open_one(number)
