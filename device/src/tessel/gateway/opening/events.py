"""The actions of the gateway that follow from bytes of a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tessel.gateway.opening.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes to the client: a step of the protocol."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to a target: the client's request is complete and allowed."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ToTarget:
    """Send bytes to the target, as soon as there is a connection to it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Send the last bytes to the client, and close its connection.

    `outcome` and `detail` are for the log.
    """

    data: bytes
    outcome: Outcome
    detail: str


Event: TypeAlias = Send | Connect | ToTarget | Refuse
