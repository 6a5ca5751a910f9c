"""The protocols by which a program asks the gateway for a connection: SOCKS5, SOCKS4a, HTTP. Pure.

Bytes of the client go in, events and bytes come out. Nothing here has a socket or a clock.
"""

from tessel.gateway.opening.credentials import Credentials
from tessel.gateway.opening.events import Connect, Event, Refuse, Send, ToTarget
from tessel.gateway.opening.opening import Opening
from tessel.gateway.opening.outcomes import Outcome, outcome_of

__all__ = [
    "Connect",
    "Credentials",
    "Event",
    "Opening",
    "Outcome",
    "Refuse",
    "Send",
    "ToTarget",
    "outcome_of",
]
