"""The errors of this library: `LocalError` blames the caller, `RemoteError` the peer."""


class StreamplexError(Exception):
    """Base class of every error of this library."""


class LocalError(StreamplexError):
    """The caller did something that the protocol does not allow. It is a bug: do not catch it."""


class ChannelsExhaustedError(LocalError):
    """This side has used all its channel numbers. Open further substreams on a new tunnel."""


class PromisesExhaustedError(LocalError):
    """The limit on the windows of all substreams is reached. Try again when some have ended."""


class RemoteError(StreamplexError):
    """The peer broke the protocol. Close this tunnel; other tunnels are not affected."""


class SilentPeerError(StreamplexError):
    """The peer sent nothing in time, not even an answer to a ping. It cannot be reached."""


class SubstreamError(StreamplexError):
    """The peer reported that one substream failed. The tunnel goes on. The text is the peer's."""


class TunnelLostError(StreamplexError):
    """The tunnel ended while this substream was open, so its data may be incomplete."""


def in_bytes(number: int) -> str:
    """Return `1 byte`, `2 bytes` and so on, for the text of an error."""
    return "1 byte" if number == 1 else f"{number} bytes"
