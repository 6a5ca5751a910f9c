"""One end of a tunnel as the original speaks it, without the rules that this library checks."""

from twisted.internet.protocol import Protocol

from streamplex.frames import FrameReader
from streamplex.messages import JsonMessage, data_header, decode_message, encode_json


class OriginalPeer(Protocol):
    """Sends any message on any channel. Subclasses take what the other end sends."""

    def connectionMade(self):
        self.reader = FrameReader()

    def say(self, channel, value):
        self.transport.write(encode_json(channel, value))

    def custom(self, channel, *args):
        self.say(channel, {"event": "custom", "emitArgs": list(args)})

    def data(self, channel, data):
        self.transport.write(data_header(channel, len(data)) + data)

    def dataReceived(self, data):
        for body in self.reader.feed(data):
            message = decode_message(body)
            if isinstance(message, JsonMessage):
                self.json_received(message.channel, message.value)
            else:
                self.data_received(message.channel, message.payload)

    def json_received(self, channel, value):
        raise NotImplementedError

    def data_received(self, channel, payload):
        raise NotImplementedError
