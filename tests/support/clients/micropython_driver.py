"""The driver of the MicroPython client; it runs on MicroPython.

Commands and answers: tests/interop/clients/README.md.
"""

import gc
import select
import sys
from binascii import crc32, hexlify, unhexlify
from time import ticks_diff, ticks_ms

import tessel_tunnel
from tessel_tunnel import Tunnel, TunnelError

CAN = "early abort abandons tls held numbers pings memory"
BLOCK = bytes(range(251)) * 5
STALLED_MS = 300


def told(error):
    if not error.refused:
        return "error %s %s" % (error.code, error.text)
    return "refused %s %s %s %s" % (
        error.reason or "-",
        "yes" if error.retry else "no",
        "-" if error.after_ms is None else error.after_ms,
        error.text or "-",
    )


class Driver:
    def __init__(self):
        self.limit_ms = 10000
        self.tunnel = None
        self.sockets = {}
        self.sent = {}
        self.link = None
        self.stdin = select.poll()
        self.stdin.register(sys.stdin, 1)

    def serve(self):
        while True:
            while not self.stdin.poll(0 if self.tunnel else 20):
                if self.tunnel:
                    self.tunnel.poll(5)
            line = sys.stdin.readline()
            words = line.strip().split(" ") if line else ["quit"]
            try:
                answer = getattr(self, "do_" + words[0])(*words[1:]) or "ok"
            except TunnelError as error:
                answer = told(error)
            except OSError as error:
                answer = "error E%d %s" % (error.errno or 0, error)
            sys.stdout.write(answer + "\n")
            if words[0] == "quit":
                return

    def do_hello(self):
        features = tessel_tunnel._FEATURES.replace('"', "").split(",")
        return "ok micropython %s %s" % (" ".join(features), CAN)

    def do_limit(self, limit_ms):
        self.limit_ms = int(limit_ms)

    def do_tunnel(self, host, port, token, cafile, window):
        if self.tunnel:
            self.tunnel.close()
        self.sockets = {}
        gc.collect()
        self.tunnel = Tunnel(host, int(port), token, cafile, windows=int(window))
        self.tunnel.connect(self.limit_ms / 1000)
        self.link = self.tunnel._link
        return "ok %s" % (window if self.link.credit else "-")

    def do_open(self, name, kind, host, port):
        socket = self.tunnel.socket(tls=kind == "tls")
        socket.setblocking(False)
        self.sockets[name] = socket
        self.sent[name] = 0
        try:
            socket.connect((host, int(port)))
        except TunnelError:
            pass  # `established` says it again
        except OSError:
            pass  # EINPROGRESS

    def waiting(self, name):
        socket = self.sockets[name]
        socket.settimeout(self.limit_ms / 1000)
        return socket

    def do_established(self, name):
        socket = self.waiting(name)
        started = ticks_ms()
        while not socket._flags & 1:
            socket._check()
            socket._wait(started)

    def do_send(self, name, data):
        return "ok %d" % self.waiting(name).write(unhexlify(data))

    def do_fill(self, name, count):
        self.write(name, self.waiting(name), int(count))
        return "ok " + count

    def do_push(self, name, count):
        socket = self.sockets[name]
        socket.setblocking(False)
        return "ok %d" % self.write(name, socket, int(count))

    def write(self, name, socket, count):
        """Write pattern bytes; a socket that does not block stops when it is stalled."""
        written = 0
        progress = ticks_ms()
        block = memoryview(BLOCK)
        while written < count:
            at = (self.sent[name] + written) % 251
            k = socket.write(block[at : at + min(1000, count - written)]) or 0
            written += k
            if k:
                progress = ticks_ms()
            elif ticks_diff(ticks_ms(), progress) > STALLED_MS:
                break
            else:
                self.tunnel.poll(10)
        self.sent[name] += written
        return written

    def do_recv(self, name, most):
        data = self.waiting(name).recv(int(most))
        return "data " + hexlify(data).decode() if data else "end"

    def do_take(self, name, count):
        socket = self.waiting(name)
        buf = bytearray(min(int(count), 1024))
        left = int(count)
        crc = 0
        while left:
            n = socket.recv_into(buf, min(left, len(buf)))
            if not n:
                break
            crc = crc32(memoryview(buf)[:n], crc)
            left -= n
        return "ok %d %08x" % (int(count) - left, crc)

    def do_end(self, name):
        self.sockets[name].shutdown(1)

    def do_abort(self, name):
        self.sockets[name].abort()

    def do_close(self, name):
        self.sockets.pop(name).close()

    def do_held(self, name):
        return "ok %d" % self.sockets[name]._held

    def do_number(self, name):
        return "ok %d" % self.sockets[name]._number

    def do_numbers(self, number):
        self.link._next = int(number)

    def do_cycle(self, count, host, port):
        buf = bytearray(64)
        for _ in range(int(count)):
            socket = self.tunnel.socket()
            socket.settimeout(self.limit_ms / 1000)
            socket.connect((host, int(port)))
            while socket.recv_into(buf):
                pass
            socket.close()
        return "ok " + count

    def do_ping(self):
        self.link.say(0, b'{"type":"ping","id":1}')
        self.link._pinged = ticks_ms()
        started = ticks_ms()
        while self.link._pinged is not None:
            self.tunnel.poll(20)
            if ticks_diff(ticks_ms(), started) > self.limit_ms:
                return "error ETIMEDOUT no pong"

    def do_state(self):
        if self.link.secured is None:
            return "ok closed %s" % self.tunnel.error
        return "ok going" if self.link.going else "ok open"

    def do_lost(self):
        started = ticks_ms()
        while self.link.secured is not None:
            self.tunnel.poll(20)
            if ticks_diff(ticks_ms(), started) > self.limit_ms:
                return "error ETIMEDOUT the tunnel is open"
        return "ok ECONNRESET %s" % self.tunnel.error

    def do_memory(self):
        gc.collect()
        return "ok %d" % gc.mem_alloc()

    def do_quit(self):
        if self.tunnel:
            self.tunnel.close()
        if self.tunnel:
            self.tunnel.close()


Driver().serve()
