"""What can go wrong, told apart by who is to blame."""


class StreamplexError(Exception):
    """The base of every error of this library."""


class LocalError(StreamplexError):
    """Our caller asked for what the protocol does not allow: a bug on this side, so let it rise."""


class ChannelsExhaustedError(LocalError):
    """Every channel number of this side has been used; open further substreams on a new tunnel."""


class PromisesExhaustedError(LocalError):
    """The tunnel's windows are used up; open further substreams when others have ended."""


class RemoteError(StreamplexError):
    """The peer broke the protocol. It costs the peer this tunnel and nobody anything else."""


class SilentPeerError(StreamplexError):
    """The peer said nothing in time, not even to a ping: it is gone, or the way to it is."""


class SubstreamError(StreamplexError):
    """One substream failed while its tunnel lives on; the text is the peer's."""


class TunnelLostError(StreamplexError):
    """The tunnel ended, however cleanly, while this substream was open: what came may be cut."""


def in_bytes(number: int) -> str:
    """`1 byte`, `2 bytes`, for the text of an error."""
    return "1 byte" if number == 1 else f"{number} bytes"
