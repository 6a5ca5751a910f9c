"""Many streams over one connection: the tunnel protocol of the Tessel 1 proxy.

A tunnel carries numbered substreams. Each substream carries bytes both ways and ends on its own.
The core does no I/O: `TunnelCore` turns received bytes into events, and calls into bytes to send.
`streamplex.tx` binds the core to Twisted, where a substream is a transport.
`streamplex.conversation` holds the messages that a device and the Tessel proxy exchange.
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
