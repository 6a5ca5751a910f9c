"""The C client (clients/c), compiled and called in this process, beside the Python core.

Both have the same methods, and return what they report in the same form, so that a test can make
the same calls to each and compare every byte that they send.
"""

import ctypes

from streamplex import conversation, events, features
from streamplex.channels import Side
from streamplex.credit import Windows
from streamplex.errors import LocalError
from streamplex.tunnel import TunnelCore
from support.clients import c_build

STREAMS = 8
OUTPUT_BYTES = 70_000

FEATURES = (
    features.REUSE,
    features.HALFCLOSE,
    features.RETRY,
    features.REASON,
    features.DEVICE,
    features.GOAWAY,
    features.PING,
    features.CREDIT,
    features.MESSAGE,
)
"""In the order of enum spx_feature."""

KINDS = (
    "nothing",
    "accepted",
    "refused",
    "lookup",
    "connect",
    "secureConnect",
    "data",
    "timeout",
    "end",
    "error",
    "reset",
    "close",
    "goaway",
    "pong",
    "fault",
)
"""In the order of enum spx_event_kind."""

REASONS = tuple(reason.value for reason in conversation.Reason)


def compile_library(folder):
    """Compile the client as a shared library in `folder`, and return it."""
    options = ["-O1", "-g", "-shared", "-fPIC"]
    path = c_build.build(folder / "streamplex.so", c_build.CORE / "streamplex.c", options=options)
    library = ctypes.CDLL(str(path))
    library.spx_receive.restype = library.spx_sendable.restype = ctypes.c_size_t
    library.spx_output.restype = ctypes.c_void_p
    library.spx_connect.restype = library.spx_send.restype = ctypes.c_int32
    return library


class Event(ctypes.Structure):
    """struct spx_event."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("stream", ctypes.c_uint16),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("text", ctypes.c_char_p),
        ("features", ctypes.c_uint),
        ("reason", ctypes.c_int),
        ("try_again", ctypes.c_int),
        ("after_ms", ctypes.c_int64),
    )


def joined(told):
    """Join data events of the same substream that follow each other."""
    result = []
    for each in told:
        if each[0] == "data" and result and result[-1][:2] == each[:2]:
            result[-1] = (*each[:2], result[-1][2] + each[2])
        else:
            result.append(each)
    return result


def shown(text, most_bytes=255):
    """Return a text of the proxy as the C client shows it: short, without control characters."""
    text = "".join(" " if char in "\n\r\t" else char for char in text)
    text = "".join(char for char in text if char >= " " and char != "\x7f")
    text = text.encode()[:most_bytes].decode(errors="ignore")
    return "".join(char for char in text if not "\x80" <= char <= "\x9f")


class CDevice:
    """A tunnel of the C client. Its methods return what the C functions return."""

    def __init__(self, library, streams=STREAMS, output_bytes=OUTPUT_BYTES):
        self._c = library
        self._tunnel = ctypes.create_string_buffer(4096)
        self._table = ctypes.create_string_buffer(16 * streams)
        self._output = ctypes.create_string_buffer(output_bytes)
        self.pongs = 0  # counted apart: the Python core does not report them
        table = self._table, ctypes.c_size_t(streams)
        output = self._output, ctypes.c_size_t(output_bytes)
        self.started = library.spx_init(self._tunnel, *table, *output)

    def start(self, token, device, offered, window):
        mask = sum(1 << FEATURES.index(name) for name in offered)
        name = None if device is None else device.encode()
        return self._c.spx_start(self._tunnel, token.encode(), name, mask, ctypes.c_uint32(window))

    def receive(self, data):
        """Return what the bytes mean: a list of tuples that begin with the kind of the event."""
        said, at, event = [], 0, Event()
        buffer = ctypes.create_string_buffer(bytes(data), max(1, len(data)))
        while at < len(data):
            size = ctypes.c_size_t(len(data) - at)
            at += self._c.spx_receive(
                self._tunnel, ctypes.byref(buffer, at), size, ctypes.byref(event)
            )
            self.pongs += KINDS[event.kind] == "pong"
            if KINDS[event.kind] not in ("nothing", "pong"):
                said.append(self._told(event))
        return said

    def receive_pieces(self, frame, cuts):
        """Receive a frame in pieces of these sizes. Return its events, as if it came at once."""
        told, at = [], 0
        for cut in [*cuts, len(frame)]:
            told += self.receive(frame[at : at + cut])
            at += cut
            if ("fault",) in told:
                return told
        return joined(told)

    @staticmethod
    def _told(event):
        kind = KINDS[event.kind]
        match kind:
            case "accepted":
                names = {name for bit, name in enumerate(FEATURES) if event.features >> bit & 1}
                return kind, frozenset(names)
            case "refused":
                text = conversation.shown_message(event.text.decode())
                after_ms = None if event.after_ms < 0 else event.after_ms
                return kind, REASONS[event.reason], bool(event.try_again), text, after_ms
            case "data":
                return kind, event.stream, ctypes.string_at(event.data, event.size)
            case "error":
                return kind, event.stream, event.text.decode()
            case "goaway":
                return kind, event.after_ms
            case "fault":
                return (kind,)
            case _:
                return kind, event.stream

    def sent(self):
        """Take the bytes that wait to be sent."""
        size = ctypes.c_size_t()
        at = self._c.spx_output(self._tunnel, ctypes.byref(size))
        data = ctypes.string_at(at, size.value)
        self._c.spx_sent(self._tunnel, size)
        return data

    def connect(self, kind, host, port):
        return self._c.spx_connect(self._tunnel, int(kind == "tls"), host.encode(), port)

    def send(self, stream, data):
        return self._c.spx_send(self._tunnel, stream, data, ctypes.c_size_t(len(data)))

    def sendable(self, stream):
        return self._c.spx_sendable(self._tunnel, stream)

    def end(self, stream):
        return self._c.spx_end(self._tunnel, stream)

    def reset(self, stream):
        return self._c.spx_reset(self._tunnel, stream)

    def abort(self, stream, text):
        return self._c.spx_abort(self._tunnel, stream, text.encode())

    def consumed(self, stream, nbytes):
        return self._c.spx_consumed(self._tunnel, stream, ctypes.c_size_t(nbytes))

    def idle_timeout(self, stream, timeout_ms):
        return self._c.spx_idle_timeout(self._tunnel, stream, ctypes.c_uint32(timeout_ms))

    def ping(self):
        return self._c.spx_ping(self._tunnel)

    def is_open(self, stream):
        return bool(self._c.spx_is_open(self._tunnel, stream))

    @property
    def between_frames(self):
        return bool(self._c.spx_between_frames(self._tunnel))


class PythonDevice:
    """The same tunnel by the Python core, with windows that do not grow."""

    def __init__(self):
        self._core = TunnelCore(Side.B)
        self._answered = False
        self._offered = frozenset()
        self._window = 0
        self._unread = set()

    def start(self, token, device, offered, window):
        self._offered = frozenset(offered)
        self._window = window
        self._core.offer(self._offered)
        hello = conversation.Hello(token, self._offered or None, device, window=window)
        self._core.message(conversation.encode_hello(hello))
        return 0

    def receive(self, data):
        said = [self._told(event) for event in self._core.receive(data)]
        return [each for each in said if each is not None]

    def _told(self, event):
        match event:
            case events.MessageReceived(value):
                return self._application(value)
            case events.DataReceived(stream, data):
                return (
                    None
                    if stream in self._unread
                    else self._of(stream, "data", stream, bytes(data))
                )
            case events.StreamEnded(stream):
                return self._of(stream, "end", stream)
            case events.StreamFailed(stream, text):
                return self._of(stream, "error", stream, shown(text))
            case events.StreamReset(stream):
                return self._of(stream, "reset", stream)
            case events.CustomReceived(stream, name, _):
                return self._custom(stream, name)
            case events.GoAway(after_ms):
                return "goaway", after_ms
            case events.Fault():
                return ("fault",)
            case _:
                return None

    def window_left(self, stream):
        """The bytes that the proxy may send on a substream now."""
        window = self._window_of(stream)
        return window.left if window else 0

    def _window_of(self, stream):
        try:
            return self._core.stream(stream).window
        except LocalError:  # it was closed
            return None

    @staticmethod
    def _of(stream, *told):
        return None if stream % 2 else told  # the C client ignores substreams of the proxy

    def _custom(self, stream, name):
        if stream % 2 or name not in ("lookup", "connect", "secureConnect", "timeout", "close"):
            return None
        if name == "close":
            if not self._core.stream(stream).state.local_ended:
                self._core.end(stream)
            self._core.release(stream)
            self._unread.discard(stream)
        return name, stream

    def _application(self, value):
        if not self._answered:
            self._answered = True
            answer = conversation.decode_answer(value)
            if isinstance(answer, conversation.Refused):
                return self._refused(answer)
            common = answer.features & self._offered
            first = self._window
            windows = Windows(first=first, substream_max=first, tunnel_max=first * 100_000)
            self._core.enable(common, windows, answer.window)
            return "accepted", common
        refusal = conversation.decode_later_refusal(value)
        return None if refusal is None else self._refused(refusal)

    @staticmethod
    def _refused(answer):
        told = answer.reason.value, answer.try_again, answer.message, answer.retry_after_ms
        return "refused", *told

    def sent(self):
        return b"".join(self._core.take(1 << 30).pieces)

    def connect(self, kind, host, port):
        stream = self._core.open(kind)
        self._core.emit(stream, "_pls_connect", port, host)
        return stream

    def send(self, stream, data):
        self._core.send(stream, data)
        return len(data)

    def end(self, stream):
        self._core.end(stream)
        return 0

    def reset(self, stream):
        self._unread.add(stream)
        self._core.reset(stream)
        return 0

    def abort(self, stream, text):
        self._core.abort(stream, text)
        return 0

    def consumed(self, stream, nbytes):
        if self._window_of(stream):
            self._core.stream(stream).consumed(nbytes, now=0.0)
        return 0

    def idle_timeout(self, stream, timeout_ms):
        self._core.emit(stream, "_pls_timeout", timeout_ms)
        return 0

    def ping(self):
        self._core.ping()
        return 0
