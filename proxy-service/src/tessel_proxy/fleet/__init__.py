"""Many processes as one proxy: workers, their supervisor, and the state that they share.

`Engine` is the interface to the shared state. `LocalEngine` keeps it in the memory of the
supervisor, and `RemoteEngine` calls the supervisor's engine from a worker. With one process and no
fleet nothing of this room is used.
"""

from tessel_proxy.fleet.engine import Admission, Demand, Engine, EngineError, Slice, Totals
from tessel_proxy.fleet.notices import (
    Confirmations,
    DeviceMoved,
    Notice,
    TokensRevoked,
    TunnelsEnded,
)

__all__ = [
    "Admission",
    "Confirmations",
    "Demand",
    "DeviceMoved",
    "Engine",
    "EngineError",
    "Notice",
    "Slice",
    "TokensRevoked",
    "Totals",
    "TunnelsEnded",
]
