"""The Twisted binding: a tunnel over any transport, its substreams as transports themselves."""

from streamplex.tx.interfaces import ISubstreamProtocol, ITunnelListener
from streamplex.tx.protocol import TunnelProtocol
from streamplex.tx.substream import Substream, SubstreamAddress

__all__ = [
    "ISubstreamProtocol",
    "ITunnelListener",
    "Substream",
    "SubstreamAddress",
    "TunnelProtocol",
]
