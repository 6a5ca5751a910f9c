"""The process of a JavaScript program, played by a test: its end of the channel, in memory."""

from twisted.internet.testing import StringTransport

from tessel.javascript.bridge import Bridge
from tessel.javascript.frames import (
    Credit,
    Data,
    FrameReader,
    Message,
    encode_credit,
    encode_data,
    encode_message,
)


class PlayedChild:
    """Sends what a program's process sends, and reads what the device answers."""

    def __init__(self, runtime):
        self.environ = {}
        self.broken = []
        self.bridge = Bridge(runtime, self.environ, self.broken.append)
        self._wire = StringTransport()
        self._reader = FrameReader()
        self.bridge.channel.makeConnection(self._wire)

    def call(self, object_id, op, data=b"", **fields):
        """Send a call of an object."""
        self._receive(encode_message(object_id, {"op": op, **fields}, data))

    def data(self, object_id, data):
        """Send bytes of an object."""
        self._receive(b"".join(encode_data(object_id, data)))

    def credit(self, object_id, number):
        """Permit that much in addition."""
        self._receive(encode_credit(object_id, number))

    def end(self):
        """End the process."""
        self.bridge.channel.abandon_all()

    def take(self):
        """Return what the device has sent since the last call, in order.

        Each is the object's number with the fields of an event and, if there are any, its bytes;
        or with the bytes of its data; or with its credit.
        """
        frames = list(self._reader.feed(self._wire.value()))
        self._wire.clear()
        return [_plain(frame) for frame in frames]

    def _receive(self, data):
        self.bridge.channel.dataReceived(data)


def _plain(frame):
    match frame:
        case Message(object_id, fields, b""):
            return object_id, fields
        case Message(object_id, fields, data):
            return object_id, fields, data
        case Data(object_id, data):
            return object_id, data
        case Credit(object_id, number):
            return object_id, number
