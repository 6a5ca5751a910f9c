"""many.py HOST PORT COUNT: opens that many sockets, and uses none before all stand."""

import sys

from tessel import net

host, port, count = sys.argv[1], *map(int, sys.argv[2:])
standing = []
echoed = []


def one_stands():
    standing.append(None)
    if len(standing) == count:
        print("all stand", flush=True)
        for socket, word in sockets:
            socket.end(word)


def compare(word, heard):
    assert b"".join(heard) == word, (word, heard)
    echoed.append(word)
    if len(echoed) == count:
        print("all heard their own word")


def open_one(number):
    word = b"socket %d" % number * 1000
    heard = []
    socket = net.connect(port, host, one_stands)
    socket.on("data", heard.append)
    socket.on("end", lambda: compare(word, heard))
    return socket, word


sockets = [open_one(number) for number in range(count)]
