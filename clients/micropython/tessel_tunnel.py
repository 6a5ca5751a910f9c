"""Sockets through one TLS connection to a tessel proxy, for MicroPython 1.22 and later.

    tunnel = Tunnel("proxy.example", 443, "TOKEN", "authority.der")
    socket = tunnel.socket()
    socket.connect(("example.com", 80))

All sockets share the connection, so that a board pays for TLS once. Each socket takes its window
and some 300 bytes. The wire is described in docs/wire.md. Nothing runs in the background: the
tunnel is served while a socket waits, by `Tunnel.poll`, and by the asyncio task `Tunnel.run`.
"""

import io
import json
import select
import socket as _socket
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

# Out: an opening takes 60 bytes, and a request to connect 50 and the host. In: a longer JSON
# message is dropped; the proxy's answers take 200 bytes, and its errors about 100.
_BUFFER_MIN = const(1024)
_BUFFER_MAX = const(4096)  # a larger one is hardly faster
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

_POLL_IN = const(1)
_POLL_OUT = const(4)
_POLL_ERR = const(8)
_IOCTL_POLL = const(3)
_IOCTL_CLOSE = const(4)

_ETIMEDOUT = const(110)
_ECONNRESET = const(104)
_EINPROGRESS = const(115)
_EAGAIN = const(11)

# Numbers of the wire's code words: those of Linux, as MicroPython's own sockets raise them.
_ERRNO = {
    "EPIPE": 32,
    "EMFILE": 24,
    "EACCES": 13,
    "ENOTFOUND": -2,
    "EAI_AGAIN": -3,
    "ENETUNREACH": 101,
    "ECONNABORTED": 103,
    "ECONNRESET": _ECONNRESET,
    "ETIMEDOUT": _ETIMEDOUT,
    "ECONNREFUSED": 111,
    "EHOSTUNREACH": 113,
    "EDQUOT": 122,
}
_EIO = const(5)  # any other


class TunnelError(OSError):
    """A socket or the tunnel failed. `code` is the wire's code word, such as "ECONNREFUSED"."""

    def __init__(self, code, text):
        super().__init__(_ERRNO.get(code, _EIO), _printable(text))
        self.code = code

    def again(self):
        return TunnelError(self.code, self.args[1])


class Refused(TunnelError):
    """The proxy refused the token. `retry`: it may accept it later, after `after_ms` if known.

    `reason` is the wire's word, or None; `text` the operator's message.
    """

    def __init__(self, said):
        self.reason = said.get("reason")
        self.retry = said.get("retry") is True
        after = said.get("retry_after_ms")
        self.after_ms = after if type(after) is int and after >= 0 else None
        text = said.get("message")
        self.text = _printable(text) if isinstance(text, str) else ""
        super().__init__(
            "ECONNABORTED" if self.retry else "EACCES",
            "the proxy refused the token: %s %s" % (self.reason, self.text),
        )

    def again(self):
        return self


class _Fault(Exception):
    """The proxy broke the protocol: the connection is closed."""


def _printable(text):
    text = " ".join(text.split())
    return "".join([c for c in text if " " <= c != "\x7f"])[:_TEXT_MAX]


def _code(text):
    """The code word in an error's text: "connect ECONNREFUSED 127.0.0.1:80"."""
    for word in text.replace(":", " ").split():
        if len(word) > 4 and "A" <= word[0] <= "Z" and word == word.upper():
            return word
    return "EIO"


def _certificates(path):
    """Yield the certificates of a file, PEM or DER, as DER: not every port reads PEM."""
    with open(path, "rb") as file:
        data = file.read()
    if b"-----BEGIN" not in data:
        yield data
        return
    from binascii import a2b_base64

    for part in data.split(b"-----BEGIN CERTIFICATE-----")[1:]:
        yield a2b_base64(part.split(b"-----END")[0])


def _dial(host, port, cafile):
    """Begin a TLS connection that checks the proxy's certificate and name; it does not block."""
    context = _tls.SSLContext(_tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = _tls.CERT_REQUIRED  # MicroPython 1.22 would check nothing
    for der in _certificates(cafile):
        try:
            context.load_verify_locations(der)
        except (OSError, ValueError, TypeError):  # MicroPython 1.22 takes it for a path
            context.load_verify_locations(cadata=der)
    info = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)[0]
    plain = _socket.socket(info[0], _socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        try:
            plain.connect(info[-1])
        except OSError as error:
            if error.errno != _EINPROGRESS:
                raise
        try:
            plain.setsockopt(6, 1, 1)  # TCP_NODELAY: a small frame waits for nothing
        except (OSError, AttributeError, TypeError):
            pass  # each frame is one write anyway
        return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except:
        plain.close()
        raise


class Socket(io.IOBase):
    """A TCP connection through the tunnel, with the methods of MicroPython's sockets."""

    def __init__(self, tunnel, kind, window):
        self._tunnel = tunnel
        self._kind = kind
        self._link = None  # once the proxy was asked
        self._number = 0
        self._flags = 0
        self._error = None
        self._wait_ms = -1  # no limit; 0: does not block
        self._target = None
        self._ring = None
        self._size = window
        self._at = 0
        self._held = 0
        self._granted = 0  # bytes that the proxy may still send
        self._taken = 0  # bytes that were read and not granted again
        self._credit = 0  # bytes that may still be sent

    # Settings.

    def settimeout(self, seconds):
        self._wait_ms = -1 if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._wait_ms = -1 if flag else 0

    def setsockopt(self, *args):
        pass

    def makefile(self, *args, **more):
        return self

    # Opening and closing.

    def connect(self, address):
        """Connect to (host, port); the proxy looks the host up."""
        if self._target is not None:
            raise OSError(_EINPROGRESS if not self._flags & _UP else 127)
        self._target = address
        self._ring = bytearray(self._size)
        started = ticks_ms()
        self._tunnel._waiting.append(self)
        self._tunnel.poll()
        while not self._flags & _UP:
            self._check()
            if not self._wait(started):
                raise OSError(_EINPROGRESS)

    def close(self):
        """Send `end`; if something was not read, reset the connection, as other sockets do."""
        if self._flags & _CLOSED:
            return
        unread = self._held and not self._flags & _DONE
        self._flags |= _CLOSED | _FIN | (_RST if unread else 0)
        self._drop()
        if self in self._tunnel._waiting:
            self._tunnel._waiting.remove(self)
        if self._link is not None:
            self._link.owe()

    def shutdown(self, how):
        """Send `end` behind the data (1, 2); reading goes on."""
        if how:
            self._flags |= _FIN
            if self._link is not None:
                self._link.owe()

    def abort(self):
        """Reset the target: what was sent must not look whole."""
        link = self._link
        if link is not None and not self._flags & _FIN:
            link.say(self._number, '{"event":"error","message":"aborted"}')
        self._held = 0
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Reading.

    def recv_into(self, buf, nbytes=0):
        """Read what is there, at least one byte; 0: the end."""
        count = self._some()
        if count is None:
            raise OSError(_EAGAIN)
        count = min(count, nbytes or len(buf))
        if count:
            self._move(buf, 0, count)
        return count

    def recv(self, nbytes):
        count = self._some()
        if count is None:
            raise OSError(_EAGAIN)
        return self._piece(nbytes)

    def readinto(self, buf, nbytes=-1):
        """Fill the buffer; fewer bytes only at the end, at a timeout, or if it does not block."""
        want = len(buf) if nbytes < 0 else min(nbytes, len(buf))
        got = 0
        while got < want:
            try:
                count = self._some()
            except OSError:
                if got:
                    break  # the next call raises it again
                raise
            if not count:
                return got or count
            count = min(count, want - got)
            self._move(buf, got, count)
            got += count
        return got

    def read(self, nbytes=-1):
        if 0 <= nbytes <= min(self._held, self._size - self._at):
            return self._piece(nbytes)
        if nbytes >= 0:
            buf = bytearray(nbytes)
            got = self.readinto(buf)
            return None if got is None else bytes(memoryview(buf)[:got])
        whole = b""
        while count := self._some():
            whole += self._piece(count)
        return None if count is None and not whole else whole

    def readline(self, nbytes=-1):
        line = b""
        while nbytes < 0 or len(line) < nbytes:
            count = self._some()
            if not count:
                return None if count is None and not line else line
            count = min(count, self._size - self._at)
            if nbytes >= 0:
                count = min(count, nbytes - len(line))
            found = self._ring.find(b"\n", self._at, self._at + count)
            line += self._piece(count if found < 0 else found + 1 - self._at)
            if found >= 0:
                break
        return line

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

    def _piece(self, most):
        """Take bytes that lie in one piece."""
        at = self._at
        count = min(most, self._held, self._size - at)
        data = bytes(memoryview(self._ring)[at : at + count]) if count else b""
        self._take(count)
        return data

    def _move(self, buf, offset, count):
        while count:
            at = self._at
            piece = min(count, self._size - at)
            buf[offset : offset + piece] = memoryview(self._ring)[at : at + piece]
            self._take(piece)
            offset += piece
            count -= piece

    def _take(self, count):
        at = self._at + count
        self._at = 0 if at == self._size else at
        self._held -= count
        self._taken += count
        if self._taken * 2 >= self._size and self._link is not None:
            self._link.owe()

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
            count = self._put(view, sent)
            sent += count
            if count:
                continue
            if not polled:
                polled = True
                self._tunnel.poll()
            elif not self._wait(started):
                return sent or None
        return sent

    def send(self, data):
        count = self._put(memoryview(data), 0)
        if count or not len(data):
            return count
        sent = self.write(data)
        if sent is None:
            raise OSError(_EAGAIN)
        return sent

    def sendall(self, data):
        if self.write(data) != len(data):
            raise OSError(_EAGAIN)

    def _put(self, view, offset):
        """Send one frame of it, if there is credit and room; return how many bytes."""
        self._check()
        if self._flags & (_FIN | _DONE):
            raise TunnelError("EPIPE", "write EPIPE")
        link = self._link
        if link is None:
            return 0
        count = min(len(view) - offset, self._credit, link.room() - _HEADER)
        if count <= 0:
            return 0
        link.frame(self._number, _DATA, view[offset : offset + count])
        if link.credit:
            self._credit -= count
        link.flush()
        return count

    # Waiting.

    def ioctl(self, request, arg):
        """For select.poll, asyncio, and streams above this one."""
        if request == _IOCTL_POLL:
            self._tunnel.poll()
            return self._events() & (arg | _POLL_ERR)
        if request == _IOCTL_CLOSE:
            self.close()
            return 0
        return -22

    def _events(self):
        if self._error is not None:
            return _POLL_ERR | _POLL_IN | _POLL_OUT
        events = _POLL_IN if self._held or self._flags & _ENDED else 0
        if self._flags & _UP and self._credit > 0 and self._link is not None:
            if self._link.room() > _HEADER:
                events |= _POLL_OUT
        return events

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
            raise self._error.again()
        if self._flags & _CLOSED:
            raise OSError(9)

    # What the link calls.

    def _opened(self, link, number):
        self._link = link
        self._number = number
        self._credit = link.peer_window
        self._granted = link.window
        self._taken = self._size - link.window  # a larger window is granted at once

    def _fill(self, view, at, count):
        """Store received bytes; return how many: all of them, if there is room."""
        if self._ring is None:
            return count  # closed: they are dropped
        count = stored = min(count, self._size - self._held)
        while stored:
            end = self._at + self._held
            if end >= self._size:
                end -= self._size
            piece = min(stored, self._size - end)
            self._ring[end : end + piece] = view[at : at + piece]
            at += piece
            stored -= piece
            self._held += piece
        return count

    def _drop(self):
        self._ring = None
        self._held = 0

    def _fail(self, error):
        if self._error is None:
            self._error = error
        self._flags |= _FIN

    def _lost(self, error):
        """The link is gone."""
        if not self._flags & _DONE and not (self._flags & _ENDED and self._flags & _FIN_SENT):
            self._fail(error)
        self._link = None

    def _owed(self, link):
        """Send what is due, as far as there is room; return whether something is left."""
        flags = self._flags
        if flags & _RST and not flags & (_RST_SENT | _DONE) and link.credit:
            if not link.say(self._number, '{"event":"reset"}'):
                return True
            self._flags = flags = flags | _RST_SENT
        due = self._taken
        if link.credit and due and due * 2 >= self._size and not flags & (_ENDED | _CLOSED | _DONE):
            if not link.say(self._number, '{"event":"credit","bytes":%d}' % due):
                return True
            self._taken = 0
            self._granted += due
        if flags & _FIN and not flags & _FIN_SENT:
            if not link.say(self._number, '{"event":"end"}'):
                return True
            self._flags = flags = flags | _FIN_SENT
        if flags & _DONE and flags & _FIN_SENT:
            link.release(self)
        return False


class _Link:
    """One connection to the proxy: frames in, frames out. Its buffers never grow."""

    def __init__(self, tunnel, secured, size):
        self._tunnel = tunnel
        self.secured = secured
        self.sockets = {}
        self.window = tunnel.windows
        self.peer_window = _NO_LIMIT
        self.credit = self._reuse = self._ping = False
        self.since = self._heard = ticks_ms()
        self._pinged = None
        self._pong = None
        self.open = self.going = False
        self._owing = False
        self._next = 2
        self._top = 0  # the largest number used
        self._in = bytearray(size)
        self._view = memoryview(self._in)
        self._at = self._end = 0
        self._left = 0  # bytes left of the message that is under way
        self._to = None  # the socket that gets them
        self._out = bytearray(size)
        self._sent = self._try = self._filled = 0

    # Out: `_out` holds [sent | being tried | not tried yet | room].

    def room(self):
        return len(self._out) - self._filled

    def frame(self, channel, kind, payload):
        at = self._filled
        count = len(payload)
        pack_into(">HHB", self._out, at, count + 3, channel, kind)
        at += _HEADER
        self._out[at : at + count] = payload
        self._filled = at + count

    def say(self, channel, text):
        """Queue a JSON message; False if there is no room now."""
        text = text.encode()
        if self.room() < len(text) + _HEADER:
            return False
        self.frame(channel, _JSON, text)
        return True

    def flush(self):
        """Write whole frames. TLS wants the same bytes again that it could not write."""
        try:
            while True:
                if self._sent == self._try:
                    if self._try == self._filled:
                        self._sent = self._try = self._filled = 0
                        return
                    self._try = self._filled
                count = self.secured.write(self._out, self._sent, self._try - self._sent)
                if not count:
                    return
                self._sent += count
        except (OSError, ValueError) as error:
            self.lost("ECONNRESET", "the tunnel was lost: %s" % error)

    def owe(self):
        self._owing = True
        self._pay()

    def _pay(self):
        if self._pong is not None and self.say(0, '{"type":"pong","id":%s}' % self._pong):
            self._pong = None
        if self._owing:
            self._owing = False
            for socket in list(self.sockets.values()):
                if socket._owed(self):
                    self._owing = True
                    break
        self.flush()
        if self.going and not self.sockets:
            self.close()

    # Opening.

    def start(self, socket):
        """Ask the proxy for a socket's target; False if there is no room or number now."""
        host, port = socket._target[0], socket._target[1]
        asked = '{"event":"custom","emitArgs":["_pls_connect",%d,%s]}' % (port, json.dumps(host))
        if self.room() < len(asked) * 2 + 80:  # a name may take more bytes than characters
            return False
        number = self._number()
        if not number:
            return False
        self.sockets[number] = socket
        self.say(0, '{"type":"stream","sock":%d,"name":"%s"}' % (number, socket._kind))
        self.say(number, asked)
        socket._opened(self, number)
        self.owe()
        return True

    def _number(self):
        """The next number that is free, the one unused for longest; 0: none is left."""
        number = self._next
        while number in self.sockets or number > _LAST:
            if number > _LAST:
                if not self._reuse:
                    self.going = True
                    return 0
                number = 0
            number += 2
        self._next = number + 2
        self._top = max(self._top, number)
        return number

    def release(self, socket):
        del self.sockets[socket._number]
        socket._link = None
        if self._to is socket:
            self._to = None

    # In.

    def read(self):
        """Take what has come. Stops at a socket that has no room, without credit/1."""
        size = len(self._in)
        while self.secured is not None:
            if self._at:
                if self._at < self._end:
                    self._in[: self._end - self._at] = self._view[self._at : self._end]
                self._end -= self._at
                self._at = 0
            space = size - self._end
            if not space:
                return
            count = self.secured.readinto(self._view[self._end :] if self._end else self._in)
            if not count:
                if count is not None:
                    self.lost("ECONNRESET", "the proxy closed the tunnel")
                return
            self._heard = ticks_ms()
            self._pinged = None
            self._tunnel._news = True
            self._end += count
            self.parse()
            if count < space:
                return

    def parse(self):
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
            if there < _HEADER:
                if there >= 2 and not data[self._at] and data[self._at + 1] < 3:
                    raise _Fault("a frame too short")
                return
            at = self._at
            count = (data[at] << 8 | data[at + 1]) - 3
            channel = data[at + 2] << 8 | data[at + 3]
            kind = data[at + 4]
            if count < 0:
                raise _Fault("a frame too short")
            if kind == _DATA:
                self._to = self._expecting(channel, count)
                self._left = count
                self._at = at + _HEADER
            elif kind != _JSON:
                raise _Fault("a message of type %d" % kind)
            elif count > len(data) - _HEADER:
                self._to = None  # no message that this client needs is as long
                self._left = count
                self._at = at + _HEADER
            elif there < count + _HEADER:
                return
            else:
                self._at = at + _HEADER + count
                self._said(channel, self._view[at + _HEADER : self._at])

    def _find(self, channel):
        socket = self.sockets.get(channel)
        if socket is None and (not channel & 1 and channel > self._top):
            raise _Fault("substream %d was never opened" % channel)
        return socket

    def _expecting(self, channel, count):
        """Check a data message; return the socket that gets it, or None to drop it."""
        if not channel:
            raise _Fault("data on the control channel")
        socket = self._find(channel)
        if socket is None:
            return None
        if socket._flags & _ENDED:
            raise _Fault("data after the end")
        if self.credit:
            if not 0 < count <= socket._granted:
                raise _Fault("%d bytes of data; allowed: 1 to %d" % (count, socket._granted))
            socket._granted -= count
        if socket._flags & _CLOSED and not socket._flags & _RST:
            socket._flags |= _RST
            self._owing = True
        return socket

    def _said(self, channel, text):
        try:
            # the parser would also take "[1 2]" and "{"
            if len(text) < 2 or text[0] != 123 or text[-1] != 125:
                raise ValueError("no object")
            said = json.loads(text)
        except (ValueError, MemoryError) as error:
            raise _Fault("JSON on channel %d: %s" % (channel, error))
        if channel:
            socket = self._find(channel)
            if socket is not None:
                self._event(socket, said)
        else:
            self._control(said)

    def _control(self, said):
        kind = said.get("type")
        if kind == "message":
            self._tunnel._answered(self, said.get("object"))
        elif kind == "ping" and self._ping:
            asked = said.get("id")
            if type(asked) is not int and (type(asked) is not str or len(asked) > 64):
                raise _Fault("a ping without an id")
            self._pong = json.dumps(asked)
        elif kind == "goaway" and self.open:
            after = said.get("after_ms")
            if type(after) is not int or not 0 <= after <= _CREDIT_MAX:
                raise _Fault("a goaway without a delay")
            self.going = True
            self._tunnel._going(self, after)

    def _event(self, socket, said):
        event = said.get("event")
        if event == "end":
            if socket._flags & _ENDED:
                raise _Fault("a second end")
            socket._flags |= _ENDED
        elif event == "custom":
            args = said.get("emitArgs")
            if not isinstance(args, list) or not args or not isinstance(args[0], str):
                raise _Fault("emitArgs without a name")
            self._custom(socket, args[0])
        elif event == "error":
            text = said.get("message", "")
            if not isinstance(text, str):
                raise _Fault("an error without a text")
            socket._fail(TunnelError(_code(text), text))
        elif event == "credit" and self.credit:
            count = said.get("bytes")
            if type(count) is not int or not 0 < count <= _CREDIT_MAX - socket._credit:
                raise _Fault("credit that is not allowed")
            socket._credit += count
        elif event == "reset" and self.credit:
            socket._fail(TunnelError("ECONNRESET", "write ECONNRESET"))
        self._owing = True

    def _custom(self, socket, name):
        if name == ("secureConnect" if socket._kind == "tls" else "connect"):
            socket._flags |= _UP
        elif name == "close":
            if not socket._flags & _ENDED or not socket._flags & _UP:
                socket._fail(TunnelError("ECONNRESET", "read ECONNRESET"))
            socket._flags |= _DONE | _FIN | _ENDED

    # Time.

    def serve(self):
        """Read, write, and look at the timers once."""
        try:
            if self._left and self._end > self._at:
                self.parse()  # of a socket that had no room
            self.flush()
            if self.secured is not None:
                self.read()
        except _Fault as fault:
            return self.lost("ECONNRESET", "the proxy broke the protocol: %s" % fault)
        except (OSError, ValueError) as error:
            return self.lost("ECONNRESET", "the tunnel was lost: %s" % error)
        if self.secured is not None:
            self._look_at_the_time()
            self._pay()

    def _look_at_the_time(self):
        now = ticks_ms()
        if not self.open:
            if not 0 <= ticks_diff(now, self.since) < _SETUP_MS:
                self.lost("ETIMEDOUT", "the proxy did not answer: ETIMEDOUT")
        elif not self._ping:
            pass
        elif self._pinged is not None:
            if not 0 <= ticks_diff(now, self._pinged) < _PONG_MS:
                self.lost("ECONNRESET", "the proxy did not answer a ping")
        elif not 0 <= ticks_diff(now, self._heard) < _PING_MS:
            self.ping()

    def ping(self):
        if self.say(0, '{"type":"ping","id":1}'):
            self._pinged = ticks_ms()
            self.flush()

    @property
    def waits_for_room(self):
        return self._filled > 0

    def close(self):
        """Close in order: what was queued has been written as far as possible."""
        self.lost("ECONNRESET", "the tunnel was closed")

    def lost(self, code, text):
        secured, self.secured = self.secured, None
        if secured is None:
            return
        self._tunnel._poller.unregister(secured)
        secured.close()
        error = TunnelError(code, text)
        sockets, self.sockets = self.sockets, {}
        for socket in sockets.values():
            socket._lost(error)
        self._tunnel._lost(self, error)


class Tunnel:
    """A tunnel to a proxy, made when a socket needs it, and made again after it was lost.

    host, port   the proxy; its certificate must have this name
    token        proves the account
    cafile       path of the authority's certificate, DER or PEM, that the proxy's must come from
    windows      bytes that each socket can hold; a socket transfers so many per round trip
    device       a name of this board: after a restart it replaces its own older tunnel
    """

    def __init__(self, host, port, token, cafile, windows=1024, device=None, dial=_dial):
        self.host = host
        self.port = port
        self.windows = windows
        self.error = None  # why there is no tunnel
        self._token = token
        self._cafile = cafile
        self._device = device
        self._dial = dial
        self._poller = select.poll()
        self._link = None
        self._old = []  # links that open nothing more
        self._news = False  # something was received
        self._waiting = []  # sockets that wait for a tunnel
        self._failures = 0
        self._not_before = None  # of the next attempt
        self._hold = None  # the error until then

    def socket(self, *args, tls=False, window=0):
        """Return a socket. tls: the proxy does TLS with the target, and sees the plain text.

        window: bytes that it can hold, if not `windows`; more makes a fast socket.
        """
        return Socket(self, "tls" if tls else "net", max(window, self.windows))

    def state(self):
        """Return "open", "connecting", "going" (opens nothing more) or "closed"."""
        if self._link is not None:
            return "open" if self._link.open else "connecting"
        return "going" if self._old else "closed"

    def connect(self, timeout=60):
        """Make the tunnel now; raises TunnelError, or Refused. Without this, a socket makes it."""
        started = ticks_ms()
        while self._link is None or not self._link.open:
            if self._hold is not None and self._too_early():
                raise self._hold
            before, self.error = self.error, None
            self._advance()
            if self._link is not None:
                self.poll(10)
            if self.error is not None:
                raise self.error
            self.error = before if self._link is None else None
            left = timeout * 1000 - ticks_diff(ticks_ms(), started)
            if left <= 0:
                raise TunnelError("ETIMEDOUT", "no tunnel in time: ETIMEDOUT")
            if self._link is None:
                sleep_ms(min(left, 10))

    def close(self):
        """Close the tunnel; open sockets fail with ECONNRESET."""
        for link in self._links():
            link._pay()
            link.close()

    def poll(self, wait_ms=0):
        """Serve the tunnel, for up to wait_ms until something comes.

        Call it now and then while no socket is used: a proxy closes a tunnel without pongs.
        """
        self._news = False
        self._serve()
        if self._news or not wait_ms:
            return
        link = self._link
        if link is None and not self._old:
            return sleep_ms(min(wait_ms, 20))
        for each in self._links():
            # a handshake may have to write, too, so its wait is short
            if not each.open:
                wait_ms = min(wait_ms, 10)
            flags = _POLL_IN | (_POLL_OUT if each.open and each.waits_for_room else 0)
            self._poller.modify(each.secured, flags)
        for _ in self._poller.ipoll(wait_ms):
            pass
        self._serve()

    def _serve(self):
        if self._waiting:
            self._advance()
        if self._link is not None:
            self._link.serve()
            if self._waiting:
                self._advance()
        for link in list(self._old) if self._old else ():
            link.serve()

    def _links(self):
        return ([] if self._link is None else [self._link]) + self._old

    # Attempts.

    def _advance(self):
        """Take the next step for the sockets that wait."""
        link = self._link
        if link is None:
            if not self._too_early():
                self._begin()
            elif self._hold is not None:
                self._fail_waiting(self._hold)
            return
        while link.open and self._waiting and link.start(self._waiting[0]):
            self._waiting.pop(0)
        if link.going and link is self._link:
            self._retire(link)

    def _too_early(self):
        if self._not_before is None:
            return False
        # a difference above the longest wait comes from a clock that has gone round
        if 0 < ticks_diff(self._not_before, ticks_ms()) <= _HOLD_MAX_MS:
            return True
        self._not_before = self._hold = None
        return False

    def _wait_for(self, wait_ms):
        self._not_before = ticks_add(ticks_ms(), min(wait_ms, _HOLD_MAX_MS))

    def _begin(self):
        try:
            secured = self._dial(self.host, self.port, self._cafile)
        except (OSError, ValueError) as error:
            self._failed(TunnelError("ECONNREFUSED", "the proxy was not reached: %s" % error))
            return
        self._poller.register(secured, _POLL_IN)
        size = max(_BUFFER_MIN, min(self.windows, _BUFFER_MAX)) + 2 * _HEADER
        self._link = link = _Link(self, secured, size)
        device = ""
        features = _FEATURES
        if self._device:
            features += ',"device/1"'
            device = ',"device":' + json.dumps(self._device)
        link.say(
            0,
            '{"type":"message","object":{"token":%s,"features":[%s],"window":%d%s}}'
            % (json.dumps(self._token), features, self.windows, device),
        )
        link.flush()

    def _answered(self, link, said):
        if not isinstance(said, dict):
            said = {}
        if said.get("authed") is True:
            if not link.open:
                self._accepted(link, said)
        elif not link.open or "authed" in said:
            self._refused(link, Refused(said))

    def _accepted(self, link, said):
        features = said.get("features")
        if not isinstance(features, list):
            features = ()
        link.credit = "credit/1" in features
        link._reuse = "reuse/1" in features
        link._ping = "ping/1" in features
        if link.credit:
            window = said.get("window")
            usable = type(window) is int and 0 <= window <= _CREDIT_MAX
            link.peer_window = window if usable else 65536
        link.open = True
        link.since = ticks_ms()
        self._hold = self.error = None

    def _refused(self, link, refused):
        self._hold = refused
        if not refused.retry:
            self._wait_for(_REFUSED_MS)
        elif refused.reason == "refused":
            after = refused.after_ms
            self._wait_for(_REFUSED_MS if after is None else after)
        else:
            self._hold = None
            self._back_off()
        link.since = None  # counted already
        self._fail_waiting(refused)
        self.error = refused
        link.close()

    def _going(self, link, after_ms):
        self._wait_for(min(after_ms, _GOAWAY_MAX_MS))
        self._retire(link)

    def _retire(self, link):
        if link is self._link:
            self._link = None
            self._old.append(link)

    def _lost(self, link, error):
        """Called by each link once, when it is gone."""
        if link in self._old:
            self._old.remove(link)
            return
        if link is not self._link:
            return
        self._link = None
        if link.since is None:
            return
        if not link.open:
            self._failed(error)
            return
        if ticks_diff(ticks_ms(), link.since) >= _PROVEN_MS:
            self._failures = 0
        self.error = error
        self._back_off()

    def _failed(self, error):
        self.error = error
        self._back_off()
        self._fail_waiting(error)

    def _back_off(self):
        """Wait for a random time, which may be twice as long after each failure in a row."""
        longest = min(_BACKOFF_MAX_MS, _BACKOFF_MS << min(self._failures, 6))
        self._failures += 1
        luck = urandom(2)
        self._wait_for((luck[0] << 8 | luck[1]) * longest >> 16)

    def _fail_waiting(self, error):
        waiting, self._waiting = self._waiting, []
        for socket in waiting:
            socket._fail(error)

    # asyncio. This is the whole face: MicroPython's streams work on these sockets.

    def open_connection(self, host, port, tls=False):
        """Await this: returns two streams, as asyncio.open_connection does."""
        from asyncio import StreamReader, core

        socket = self.socket(tls=tls)
        socket.setblocking(False)
        try:
            socket.connect((host, port))
        except OSError as error:
            if error.errno != _EINPROGRESS:
                raise
        while not socket._flags & _UP:
            yield core._io_queue.queue_write(socket)
            socket._check()
        stream = StreamReader(socket)
        return stream, stream

    async def run(self, every_ms=200):
        """Serve the tunnel for ever: a task beside those that use sockets."""
        from asyncio import sleep_ms as pause

        while True:
            self.poll()
            await pause(every_ms)
