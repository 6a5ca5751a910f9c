"""Sockets through one TLS connection to a tessel proxy, for MicroPython 1.22 and later.

    tunnel = Tunnel("proxy.example", 443, "TOKEN", "authority.der")
    socket = tunnel.socket()
    socket.connect(("example.com", 80))

All sockets share the connection, so that a board pays for TLS once. Each socket takes its window
and some 300 bytes. The wire is described in docs/wire.md. Nothing runs in the background: the
tunnel is served while a socket waits, by `Tunnel.poll`, and by the asyncio task `Tunnel.run`.
"""

import errno
import io
import json
import select
import socket as _socket
from binascii import a2b_base64
from gc import collect
from os import urandom
from struct import pack_into
from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

from micropython import const

try:
    import tls as _tls
except ImportError:  # MicroPython 1.22: the module was not split yet
    import ssl as _tls

_FEATURES = (
    '"credit/1","goaway/1","halfclose/1","message/1","ping/1","reason/1","retry/1","reuse/1"'
)

_HEADER = const(5)  # bytes of a frame before its payload: length, channel, type
_DATA = const(0)
_JSON = const(1)
_LAST = const(65534)  # the largest number of a substream
_CREDIT_MAX = const(2147483647)
_NO_LIMIT = const(1073741823)  # credit without credit/1; a small integer on each port

# Buffers of the tunnel. In: a longer JSON message is dropped; the proxy's answers take 200 bytes,
# its errors about 100. Out: the two messages that open a socket take 110 bytes and the host.
_IN_MIN = const(512)
_OUT_MIN = const(512)
_BUFFER_MAX = const(4096)  # of either; a larger one is hardly faster
_SETUP_MS = const(40000)  # from the dial to the answer; the proxy may ask a token service
_PING_MS = const(30000)  # of silence; then this side asks
_PONG_MS = const(30000)  # for any byte after that
_PROVEN_MS = const(10000)  # a connection lost sooner counts as a failure
_BACKOFF_MS = const(1000)  # doubles with each failure in a row
_BACKOFF_MAX_MS = const(60000)
_REFUSED_MS = const(60000)  # for which a refused token is not sent again
_HOLD_MAX_MS = const(300000)  # the longest time that a proxy can ask for
_GOAWAY_MAX_MS = const(60000)
_SLICE_MS = const(1000)  # a wait without a limit looks at its timers this often
_TEXT_MAX = const(300)  # characters of an error; the operator's text has 200

# What has happened on a socket.
_UP = const(1)  # the target is connected
_ENDED = const(2)  # the target sends no more
_FIN = const(4)  # `end` is due
_FIN_SENT = const(8)
_RST = const(16)  # `reset` is due
_RST_SENT = const(32)
_CLOSED = const(64)  # by the program
_DONE = const(128)  # the proxy has sent `close`
_TLS = const(256)  # the proxy does TLS with the target
_ABORT = const(512)  # `error` is due

_POLL_IN = const(1)
_POLL_OUT = const(4)
_POLL_ERR = const(8)


class TunnelError(OSError):
    """A socket or the tunnel failed. `code` is the wire's code word, such as "ECONNREFUSED".

    Attributes of a refused token: `refused` is True, `retry` says whether the proxy may accept the
    token later, after `after_ms` if that is known; `reason` is the wire's word or None, and `text`
    the operator's message.
    """

    refused = False

    def __init__(self, code, text, before=""):
        text = " ".join(text.split())
        self.text = text = "".join([c for c in text if " " <= c < "\x7f" or c > "\x9f"])[:_TEXT_MAX]
        self.code = code
        super().__init__(getattr(errno, code, errno.EIO), before + text)


_LOST = TunnelError("ECONNRESET", "the tunnel was lost")  # if there is no memory for another


def _dial(host, port, cafile):
    """Begin a TLS connection that checks the proxy's certificate and name; it does not block."""
    context = _tls.SSLContext(_tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = _tls.CERT_REQUIRED  # MicroPython 1.22 would check nothing
    if "-----BEGIN" in cafile:
        data = cafile.encode()
    else:
        try:
            with open(cafile, "rb") as file:
                data = file.read()
        except OSError as error:
            raise ValueError("the authority's file %s: %s" % (cafile, error))
    for part in data.split(b"-----BEGIN CERTIFICATE-----")[1:] or (data,):
        # not every port reads PEM
        der = part if part is data else a2b_base64(part.split(b"-----END")[0])
        try:
            context.load_verify_locations(
                cadata=der
            )  # MicroPython 1.22; a path is its first argument
        except TypeError:
            context.load_verify_locations(der)
    info = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)[0]
    plain = _socket.socket(info[0], _socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        try:
            plain.setsockopt(6, 1, 1)  # TCP_NODELAY: a small frame waits for nothing
        except (OSError, AttributeError, TypeError):
            pass  # each frame is one write anyway
        try:
            plain.connect(info[-1])
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise
        return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except:
        plain.close()
        raise


class Socket(io.IOBase):
    """A TCP connection through the tunnel, with the methods of MicroPython's sockets."""

    # In the class, since most sockets have no others: the table of an object grows in steps.
    _error = None
    _wait_ms = -1  # no limit; 0: does not block

    def __init__(self, tunnel, flags, window):
        self._tunnel = tunnel
        self._link = None  # once the proxy was asked
        self._flags = flags
        self._target = None
        self._ring = None
        self._size = window
        self._at = 0
        self._held = 0

    # Settings.

    def settimeout(self, seconds):
        self._wait_ms = -1 if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._wait_ms = -1 if flag else 0

    def setsockopt(self, *args):
        pass

    def makefile(self, *args):
        return self

    # Opening and closing.

    def connect(self, address):
        """Connect to (host, port); the proxy looks the host up."""
        if self._target is not None:
            raise OSError(errno.EINPROGRESS)
        collect()  # else what is left of messages may lie where the buffer would fit
        self._ring = bytearray(self._size)
        self._target = address
        started = ticks_ms()
        self._tunnel.poll()  # a tunnel that ended unnoticed must not take this socket
        self._tunnel._waiting.append(self)
        self._tunnel.poll()
        try:
            while not self._flags & _UP:
                self._check()
                if not self._wait(started):
                    break
        except:
            if self._error is None:
                self.close()  # a timeout: the proxy must not connect for nobody
            raise
        if not self._flags & _UP:
            raise OSError(errno.EINPROGRESS)

    def close(self):
        """Send `end`; or reset the target, if bytes are unread or it is not connected yet."""
        if not self._flags & _CLOSED:
            if self in self._tunnel._waiting:
                self._tunnel._waiting.remove(self)
            self._flags |= _CLOSED
            if self._held or not self._flags & _UP:
                self._flags |= _RST
            self._ring = None
            self._held = 0
            self.shutdown(2)

    def shutdown(self, how):
        """Send `end` behind the data (1, 2); reading goes on."""
        if how:
            self._flags |= _FIN
            if self._link is not None:
                self._link.pay(True)

    def abort(self):
        """Reset the target: what was sent must not look whole."""
        if self._link is not None and not self._flags & _FIN:
            self._flags |= _ABORT
        self._held = 0
        self.close()

    # Reading.

    def recv_into(self, buf, nbytes=0):
        """Read what is there, at least one byte; 0: the end."""
        count = self._into(buf, nbytes or len(buf), 1)
        if count is None:
            raise OSError(errno.EAGAIN)
        return count

    def recv(self, nbytes):
        if self._some() is None:
            raise OSError(errno.EAGAIN)
        return self._piece(nbytes)

    def readinto(self, buf, nbytes=-1):
        """Fill the buffer; fewer bytes only at the end, at a timeout, or if it does not block."""
        want = len(buf) if nbytes < 0 else nbytes
        return self._into(buf, want, want)

    def read(self, nbytes=-1):
        if nbytes >= 0:
            buf = bytearray(nbytes)
            count = self.readinto(buf)
            return None if count is None else bytes(memoryview(buf)[:count])
        return self._pieces(False)

    def readline(self):
        return self._pieces(True)

    def _pieces(self, line):
        """Read to the end, or to the end of a line."""
        whole = b""
        while count := self._some():
            if line:
                view = memoryview(self._ring)[self._at : min(self._at + count, self._size)]
                found = bytes(view).find(b"\n") + 1
                whole += self._piece(found or count)
                if found:
                    return whole
            else:
                whole += self._piece(count)
        return None if count is None and not whole else whole

    def _some(self):
        """Wait for bytes; return how many are held, 0: the end, None: none, without blocking."""
        if not self._held:
            started = ticks_ms()
            self._tunnel.poll()
            while not self._held:
                self._check()
                if self._flags & _ENDED:
                    return 0
                if not self._wait(started):
                    return None
        return self._held

    def _into(self, buf, want, least):
        """Read up to `want` bytes, and wait until there are `least`."""
        got = 0
        while got < want and (self._held or got < least):
            try:
                count = self._some()
            except OSError:
                if got:
                    break  # the next call raises it again
                raise
            if not count:
                return got or count
            at = self._at
            count = min(count, want - got, self._size - at)
            buf[got : got + count] = memoryview(self._ring)[at : at + count]
            self._take(count)
            got += count
        return got

    def _piece(self, most):
        """Take bytes that lie in one piece."""
        at = self._at
        count = min(most, self._held, self._size - at)
        if not count:
            return b""
        data = bytes(memoryview(self._ring)[at : at + count])
        self._take(count)
        return data

    def _take(self, count):
        self._at = (self._at + count) % self._size
        self._held -= count
        self._taken += count
        link = self._link
        if self._taken * 2 >= self._size and link is not None:
            link._owing |= self._owed(link)
            link.flush()

    # Writing.

    def write(self, data, *part):
        """Write all of it; less only if the socket does not block. part: [offset,] length."""
        view = memoryview(data)
        if part:
            offset = part[0] if len(part) > 1 else 0
            view = view[offset : offset + part[-1]]
        sent = 0
        started = ticks_ms()
        polled = False
        while sent < len(view):
            self._check()
            if self._flags & (_FIN | _DONE):
                raise TunnelError("EPIPE", "write EPIPE")
            link = self._link
            count = 0
            if link is not None:
                count = min(len(view) - sent, self._credit, link.room())
            if count > 0:
                link.frame(self._number, _DATA, view[sent : sent + count])
                if link.credit:
                    self._credit -= count
                link.flush()
                sent += count
            elif not polled:
                polled = True
                self._tunnel.poll()
            elif not self._wait(started):
                return sent or None
        return sent

    def send(self, data):
        count = self.write(data)
        if count is None:
            raise OSError(errno.EAGAIN)
        return count

    sendall = send  # which sends all, unless the socket does not block

    # Waiting.

    def ioctl(self, request, arg):
        """For select.poll, asyncio, and streams above this one."""
        if request == 3:  # poll
            self._tunnel.poll()
            if self._error is not None:
                return _POLL_ERR | arg
            events = _POLL_IN if self._held or self._flags & _ENDED else 0
            link = self._link
            if self._flags & _UP and link is not None and self._credit > 0 < link.room():
                events |= _POLL_OUT
            return events & arg
        if request == 4:  # close
            self.close()
            return 0
        return -22

    def _wait(self, started):
        """Serve the tunnel until something comes; False if this socket does not block."""
        left = _SLICE_MS
        if self._wait_ms >= 0:
            if not self._wait_ms:
                return False
            left = self._wait_ms - ticks_diff(ticks_ms(), started)
            if left <= 0:
                raise TunnelError("ETIMEDOUT", "timed out")
        self._tunnel.poll(min(left, _SLICE_MS))
        return True

    def _check(self):
        if self._error is not None:
            raise self._error
        if self._flags & _CLOSED:
            raise OSError(errno.EBADF)
        if self._target is None:
            raise OSError(errno.ENOTCONN)

    # What the link calls.

    def _fill(self, view, at, count):
        """Store received bytes; return how many: all of them, if there is room."""
        if self._ring is None:
            return count  # closed: they are dropped
        count = stored = min(count, self._size - self._held)
        while stored:
            end = (self._at + self._held) % self._size
            piece = min(stored, self._size - end)
            self._ring[end : end + piece] = view[at : at + piece]
            at += piece
            stored -= piece
            self._held += piece
        return count

    def _fail(self, error):
        if self._error is None:
            self._error = error
        self._flags |= _FIN

    def _owed(self, link):
        """Send what is due; return whether there was no room for all of it."""
        number = self._number
        if self._flags & (_ABORT | _DONE) == _ABORT:
            if not link.say(number, b'{"event":"error","message":"aborted"}'):
                return True
            self._flags &= ~_ABORT
        if link.credit and not self._flags & _DONE:
            if self._flags & (_RST | _RST_SENT) == _RST:
                if not link.say(number, b'{"event":"reset"}'):
                    return True
                self._flags |= _RST_SENT
            due = self._taken
            if due * 2 >= self._size and not self._flags & (_ENDED | _CLOSED):
                if not link.say(number, b'{"event":"credit","bytes":%d}' % due):
                    return True
                self._taken = 0
                self._granted += due
        if self._flags & (_FIN | _FIN_SENT) == _FIN:
            if not link.say(number, b'{"event":"end"}'):
                return True
            self._flags |= _FIN_SENT
        if self._flags & _DONE:
            del link.sockets[number]
            self._link = None
        return False


class _Link:
    """One connection to the proxy: frames in, frames out. Its buffers never grow."""

    def __init__(self, tunnel, secured, hello):
        self._tunnel = tunnel
        self.secured = secured
        self.sockets = {}
        self.open = self.going = False
        self.credit = self._reuse = self._ping = False
        self._peer_window = _NO_LIMIT
        self.since = self._heard = ticks_ms()
        self._pinged = None  # since when a pong is due
        self._pong = None  # the message that is due
        self._owing = False
        self._next = 2
        self._top = 0  # the largest number used
        size = min(tunnel.windows // 2, _BUFFER_MAX)
        self._in = bytearray(max(_IN_MIN, size) + _HEADER)
        self._view = memoryview(self._in)
        self._at = self._end = 0
        self._left = 0  # bytes left of the message that is under way
        self._to = None  # the socket that gets them
        self._out = bytearray(max(_OUT_MIN, size, len(hello)) + _HEADER)
        self._sent = self._try = self._filled = 0
        self.say(0, hello)

    # Out: `_out` holds [sent | being tried | not tried yet | room].

    def room(self):
        """Bytes of payload for which there is room; it may be negative."""
        return len(self._out) - self._filled - _HEADER

    def frame(self, channel, kind, payload):
        at = self._filled
        start = at + _HEADER
        end = start + len(payload)
        self._out[start:end] = payload
        pack_into(">HHB", self._out, at, len(payload) + 3, channel, kind)
        self._filled = end  # last: the steps before may find no memory

    def say(self, channel, text):
        """Queue a JSON message, as bytes; False if there is no room now."""
        if self.room() < len(text):
            return False
        self.frame(channel, _JSON, text)
        return True

    def flush(self):
        """Write whole frames. TLS wants the same bytes again that it could not write."""
        try:
            while self._filled and self.secured is not None:
                if self._sent == self._try:
                    self._try = self._filled
                count = self.secured.write(self._out, self._sent, self._try - self._sent)
                if not count:
                    return
                self._sent += count
                if self._sent == self._filled:
                    self._sent = self._try = self._filled = 0
        except (OSError, ValueError) as error:
            self.lost("ECONNRESET", error)

    def pay(self, owing=False):
        """Send what is due, as far as there is room."""
        if self._pong is not None and self.say(0, self._pong):
            self._pong = None
        if owing or self._owing:
            self._owing = False
            for socket in list(self.sockets.values()):
                if socket._owed(self):
                    self._owing = True
                    break
        self.flush()
        if self.going and not self.sockets:
            self.lost("ECONNRESET", "the proxy is stopping")

    def start(self, socket):
        """Ask the proxy for a socket's target; False if there is no room or number now."""
        host, port = socket._target[0], socket._target[1]
        asked = '{"event":"custom","emitArgs":["_pls_connect",%d,%s]}' % (port, json.dumps(host))
        asked = asked.encode()
        if self.room() < len(asked) + 60:
            return False
        number = self._next  # the next that is free: the one unused for longest
        while number in self.sockets or number > _LAST:
            if number <= _LAST:
                number += 2
            elif self._reuse:
                number = 2
            else:
                self.going = True
                return False
        filled = self._filled
        try:
            socket._number = number
            socket._credit = self._peer_window  # bytes that may be sent
            socket._granted = self._tunnel.windows  # that the proxy may send
            # read and not granted again: of a larger window the rest is granted at once
            socket._taken = socket._size - socket._granted
            self.sockets[number] = socket
            kind = "tls" if socket._flags & _TLS else "net"
            self.say(0, b'{"type":"stream","sock":%d,"name":"%s"}' % (number, kind))
            self.say(number, asked)
        except MemoryError:
            self._filled = filled  # both messages or none
            self.sockets.pop(number, None)
            raise
        self._next = number + 2
        self._top = max(self._top, number)
        socket._link = self
        self.pay(True)
        return True

    # In.

    def read(self):
        """Take what has come. Stops at a socket that has no room, without credit/1."""
        while True:
            self._parse()
            if self.secured is None:
                return  # a refusal, or a write that failed
            if self._at:
                if self._at < self._end:
                    self._in[: self._end - self._at] = self._view[self._at : self._end]
                self._end -= self._at
                self._at = 0
            if self._end == len(self._in):
                return
            count = self.secured.readinto(self._view[self._end :] if self._end else self._in)
            if not count:
                if count is not None:
                    raise OSError("closed by the proxy")
                return
            self._end += count
            self._heard = ticks_ms()
            self._pinged = None
            self._tunnel._news = True

    def _parse(self):
        data = self._in
        while True:
            there = self._end - self._at
            if self._left:
                count = min(self._left, there)
                if self._to is not None:
                    count = self._to._fill(self._view, self._at, count)
                self._at += count
                self._left -= count
                if self._left:
                    return
                continue
            at = self._at
            if there < 2:
                return
            count = (data[at] << 8 | data[at + 1]) - 3
            if count < 0:
                raise ValueError("a bad frame")
            if there < _HEADER:
                return
            channel = data[at + 2] << 8 | data[at + 3]
            kind = data[at + 4]
            socket = self.sockets.get(channel)
            if socket is None and channel > self._top and not channel & 1:
                raise ValueError("a bad frame")
            at += _HEADER
            if kind == _DATA:
                if not channel:
                    raise ValueError("a bad frame")
                if socket is not None:
                    self._check(socket, count)
            elif kind != _JSON:
                raise ValueError("a bad frame")
            elif count > len(data) - _HEADER:
                socket = None  # no message that this client needs is as long
            elif self._end - at < count:
                return
            else:
                self._at = at + count
                self._said(channel, socket, self._view[at : at + count])
                continue
            self._at = at
            self._left = count
            self._to = socket

    def _check(self, socket, count):
        """Check a data message."""
        if socket._flags & _ENDED:
            raise ValueError("a bad frame")
        if self.credit:
            if not 0 < count <= socket._granted:
                raise ValueError("a bad frame")
            socket._granted -= count
        if socket._flags & _CLOSED:
            socket._flags |= _RST
            self._owing = True

    def _said(self, channel, socket, text):
        # the parser would also take "[1 2]" and "{"
        if len(text) < 2 or text[0] != 123 or text[-1] != 125:
            raise ValueError("bad JSON")
        said = json.loads(text)
        if channel:
            if socket is not None:
                self._event(socket, said)
                self._owing = True
            return
        kind = said.get("type")
        if kind == "message":
            self._tunnel._answered(self, said.get("object"))
        elif kind == "ping" and self._ping:
            asked = said.get("id")
            if type(asked) is not int and (type(asked) is not str or len(asked) > 64):
                raise ValueError(said)
            self._pong = ('{"type":"pong","id":%s}' % json.dumps(asked)).encode()
        elif kind == "goaway" and self.open:
            after = said.get("after_ms")
            if type(after) is not int or not 0 <= after <= _CREDIT_MAX:
                raise ValueError(said)
            self.going = True
            if self._tunnel._link is self:
                self._tunnel._link = None
                self._tunnel._rest(min(after, _GOAWAY_MAX_MS))

    def _event(self, socket, said):
        event = said.get("event")
        if event == "end":
            if socket._flags & _ENDED:
                raise ValueError(said)
            socket._flags |= _ENDED
        elif event == "custom":
            args = said.get("emitArgs")
            if not isinstance(args, list) or not args or not isinstance(args[0], str):
                raise ValueError(said)
            if args[0] == ("secureConnect" if socket._flags & _TLS else "connect"):
                socket._flags |= _UP
            elif args[0] == "close":
                if socket._flags & (_ENDED | _UP) != _ENDED | _UP:
                    socket._fail(TunnelError("ECONNRESET", "read ECONNRESET"))
                socket._flags |= _DONE | _FIN | _ENDED
        elif event == "error":
            text = said.get("message", "")
            if not isinstance(text, str):
                raise ValueError(said)
            code = "EIO"
            for word in text.replace(":", " ").split():  # connect ECONNREFUSED 127.0.0.1:80
                if len(word) > 4 and "A" <= word[0] <= "Z" and word == word.upper():
                    code = word
                    break
            socket._fail(TunnelError(code, text))
        elif event == "credit" and self.credit:
            count = said.get("bytes")
            if type(count) is not int or not 0 < count <= _CREDIT_MAX - socket._credit:
                raise ValueError(said)
            socket._credit += count
        elif event == "reset" and self.credit:
            socket._fail(TunnelError("ECONNRESET", "write ECONNRESET"))

    def serve(self):
        """Read, write, and look at the timers once."""
        try:
            self.flush()
            self.read()
        except (OSError, ValueError, MemoryError) as error:
            self.lost("ECONNRESET", error)
        if self.secured is None:
            return
        now = ticks_ms()
        if not self.open:
            if not 0 <= ticks_diff(now, self.since) < _SETUP_MS:
                self.lost("ETIMEDOUT", "no answer of the proxy")
        elif self._pinged is not None:
            if not 0 <= ticks_diff(now, self._pinged) < _PONG_MS:
                self.lost("ECONNRESET", "no answer to a ping")
        elif self._ping and not 0 <= ticks_diff(now, self._heard) < _PING_MS:
            if self.say(0, b'{"type":"ping","id":1}'):
                self._pinged = now
        if self.secured is not None:
            self.pay()

    def lost(self, code, why):
        secured, self.secured = self.secured, None
        if secured is not None:
            self._tunnel._poller.unregister(secured)
            try:
                secured.close()
            except OSError:
                pass  # it was broken already
            try:
                error = TunnelError(code, "the tunnel was lost: %s" % why)
            except MemoryError:
                error = _LOST
            for socket in self.sockets.values():
                if not socket._flags & _ENDED:  # what has ended was received whole
                    socket._fail(error)
                socket._flags |= _DONE | _FIN
                socket._link = None
            self._tunnel._lost(self, error)


class Tunnel:
    """A tunnel to a proxy, made when a socket needs it, and made again after it was lost.

    host, port   the proxy; its certificate must have this name
    token        proves the account
    cafile       the authority's certificate, that the proxy's must come from: a path (DER or PEM),
                 or PEM text
    windows      bytes that each socket can hold; a socket transfers so many per round trip
    device       a name of this board: after a restart it replaces its own older tunnel
    dial         opens the connection, on a port where `_dial` does not work
    """

    def __init__(self, host, port, token, cafile, windows=1024, device=None, dial=_dial):
        self.windows = windows
        self.error = None  # why the last link was lost, or could not be made
        self._proxy = (host, port, cafile)
        self._token = token
        self._device = device
        self._dial = dial
        self._poller = select.poll()
        self._link = None  # the one that opens sockets
        self._links = []  # this and older ones, with open sockets
        self._waiting = []  # sockets that wait for a tunnel
        self._news = False  # something was received
        self._failures = 0  # in a row
        self._not_before = None  # of the next attempt
        self._hold = False  # sockets that wait for it fail with `error`

    def socket(self, *args, tls=False, window=0):
        """Return a socket. tls: the proxy does TLS with the target, and sees the plain text.

        window: bytes that it can hold, if more than `windows`: a fast socket among small ones.
        """
        return Socket(self, _TLS if tls else 0, max(window, self.windows))

    def connect(self, timeout=60):
        """Make the tunnel now, or raise TunnelError. Without this, the first socket makes it."""
        started = ticks_ms()
        while self._link is None or not self._link.open:
            if self._too_early() and self.error is not None:
                raise self.error
            if self._link is None:
                self._begin()
            self.poll(10)
            if self._link is None and self.error is not None:
                raise self.error
            if ticks_diff(ticks_ms(), started) > timeout * 1000:
                raise TunnelError("ETIMEDOUT", "no tunnel in time")

    def close(self):
        """Close the tunnel; open sockets fail with ECONNRESET."""
        for link in list(self._links):
            link.pay()
            link.since = None  # no failure
            link.lost("ECONNRESET", "closed by the program")

    def poll(self, wait_ms=0):
        """Serve the tunnel, for up to wait_ms until something comes.

        Call it now and then while no socket is used: a proxy closes a tunnel without pongs.
        """
        self._news = False
        self._advance()
        for link in list(self._links):
            link.serve()
        if self._waiting:
            self._advance()
        if self._news or not wait_ms:
            return
        if not self._links:
            sleep_ms(min(wait_ms, 100))
            return
        for link in self._links:
            # a handshake may have to write, too: its wait is short
            wait_ms = wait_ms if link.open else min(wait_ms, 10)
            full = link.open and link._filled
            self._poller.modify(link.secured, _POLL_IN | _POLL_OUT if full else _POLL_IN)
        for _ in self._poller.ipoll(wait_ms):
            pass
        for link in list(self._links):
            link.serve()

    def _advance(self):
        """Take the next step for the sockets that wait."""
        while self._waiting:
            link = self._link
            if link is None:
                if not self._too_early():
                    self._begin()
                elif self._hold:
                    self._fail_waiting()
                return
            if not link.open or not link.start(self._waiting[0]):
                if link.going:
                    self._link = None  # its numbers are used up
                return
            if self._waiting:  # else the link was lost meanwhile, and all of them failed
                self._waiting.pop(0)

    def _too_early(self):
        # a difference above the longest wait comes from a clock that has gone round
        if self._not_before is not None:
            if 0 < ticks_diff(self._not_before, ticks_ms()) <= _HOLD_MAX_MS:
                return True
            self._not_before = None
        self._hold = False
        return False

    def _begin(self):
        secured = None
        try:
            hello = self._hello()
            secured = self._dial(*self._proxy)
            link = _Link(self, secured, hello)
            self._poller.register(secured, _POLL_IN)
        except (OSError, ValueError, MemoryError) as error:
            if secured is not None:
                secured.close()
            self._failed(TunnelError("ECONNREFUSED", "the proxy was not reached: %s" % error))
            return
        self._link = link
        self._links.append(link)
        self.error = None
        link.flush()

    def _hello(self):
        features = _FEATURES
        device = ""
        if self._device:
            features += ',"device/1"'
            device = ',"device":' + json.dumps(self._device)
        hello = '{"type":"message","object":{"token":%s,"features":[%s],"window":%d%s}}' % (
            json.dumps(self._token),
            features,
            self.windows,
            device,
        )
        return hello.encode()

    def _answered(self, link, said):
        """Take the answer to the token, or a later refusal."""
        if not isinstance(said, dict):
            said = {}
        if said.get("authed") is True:
            if not link.open:
                features = said.get("features")
                if not isinstance(features, list):
                    features = ()
                link.credit = "credit/1" in features
                link._reuse = "reuse/1" in features
                link._ping = "ping/1" in features
                if link.credit:
                    window = said.get("window")
                    fits = type(window) is int and 0 <= window <= _CREDIT_MAX
                    link._peer_window = window if fits else 65536
                link.open = True
                link.since = ticks_ms()
        elif not link.open or "authed" in said:
            self._refused(link, said)

    def _refused(self, link, said):
        retry = said.get("retry") is True
        reason = said.get("reason")
        if not isinstance(reason, str) or not reason.replace("_", "").isalpha():
            reason = None  # as if it was missing
        after = said.get("retry_after_ms")
        text = said.get("message")
        if type(after) is not int or after < 0:
            after = None
        error = TunnelError(
            "ECONNABORTED" if retry else "EACCES",
            text if isinstance(text, str) else "",
            "the proxy refused the token: %s " % reason,
        )
        error.refused = True
        error.retry = retry
        error.reason = reason
        error.after_ms = after
        link.since = None  # counted here
        self._failed(error)
        if not retry or reason == "refused":
            self._hold = True
            self._rest(_REFUSED_MS if after is None or not retry else after)
        link.lost("ECONNRESET", error)

    def _lost(self, link, error):
        """Called by each link once, when it is gone."""
        self._links.remove(link)
        if link is self._link:
            self._link = None
            if link.since is not None:
                if link.open and ticks_diff(ticks_ms(), link.since) >= _PROVEN_MS:
                    self._failures = 0
                self._failed(error)

    def _failed(self, error):
        """Begin the backoff: a random time, at most twice as long after each failure in a row."""
        self.error = error
        longest = min(_BACKOFF_MAX_MS, _BACKOFF_MS << min(self._failures, 6))
        self._failures += 1
        luck = urandom(2)
        self._rest((luck[0] << 8 | luck[1]) * longest >> 16)
        self._fail_waiting()

    def _rest(self, wait_ms):
        self._not_before = ticks_add(ticks_ms(), min(wait_ms, _HOLD_MAX_MS))

    def _fail_waiting(self):
        waiting, self._waiting = self._waiting, []
        for socket in waiting:
            socket._fail(self.error)
