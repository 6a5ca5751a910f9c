"""Many streams over one connection: the tunnel protocol of the Tessel 1 proxy.

The core does no I/O: `TunnelCore` turns bytes into events and queued calls into bytes.
`streamplex.tx` binds it to Twisted, where a substream is a transport.
"""

from streamplex.channels import Side
from streamplex.credit import Windows
from streamplex.errors import (
    ChannelsExhaustedError,
    LocalError,
    PromisesExhaustedError,
    RemoteError,
    SilentPeerError,
    StreamplexError,
    SubstreamError,
    TunnelLostError,
)
from streamplex.limits import PeerLimits
from streamplex.tunnel import TunnelCore

__all__ = [
    "ChannelsExhaustedError",
    "LocalError",
    "PeerLimits",
    "PromisesExhaustedError",
    "RemoteError",
    "Side",
    "SilentPeerError",
    "StreamplexError",
    "SubstreamError",
    "TunnelCore",
    "TunnelLostError",
    "Windows",
]
