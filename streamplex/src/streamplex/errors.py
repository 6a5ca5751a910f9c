"""The errors of this library: `LocalError` blames the caller, `RemoteError` the peer."""


class StreamplexError(Exception):
    """Base class of every error of this library."""


class LocalError(StreamplexError):
    """The caller did something that the protocol does not allow. It is a bug: do not catch it."""


class ChannelsExhaustedError(LocalError):
    """This side has no channel number left. Open further substreams on a new tunnel."""


class PromisesExhaustedError(LocalError):
    """The limit on the sum of all windows is reached. Try again when some substreams have ended."""


class RemoteError(StreamplexError):
    """The peer broke the protocol. Close this tunnel; other tunnels are not affected."""


class SilentPeerError(StreamplexError):
    """The peer sent nothing within the timeout, not even an answer to a ping. It is unreachable."""


class SubstreamError(StreamplexError):
    """The peer reported that one substream failed.

    The tunnel stays open. The peer wrote the text.
    """


class TunnelLostError(StreamplexError):
    """The tunnel ended while this substream was open, so its data may be incomplete."""


def in_bytes(number: int) -> str:
    """Return the number with its unit, `1 byte` or `2 bytes`, for the text of an error."""
    return "1 byte" if number == 1 else f"{number} bytes"
