"""The Twisted binding: a tunnel over any transport, its substreams as transports themselves.

For TLS, below a tunnel or over a substream, there is streamplex.tx.tls: over Twisted's own a tunnel
that has much to send does not notice that its peer has ended TLS.
"""

from streamplex.tx.addressed import SubstreamAddress
from streamplex.tx.interface_listener import ITunnelListener
from streamplex.tx.interfaces import ISubstreamProtocol, ITakesSequences, ITakesViews
from streamplex.tx.protocol import TunnelProtocol
from streamplex.tx.substream import Substream

__all__ = [
    "ISubstreamProtocol",
    "ITakesSequences",
    "ITakesViews",
    "ITunnelListener",
    "Substream",
    "SubstreamAddress",
    "TunnelProtocol",
]
