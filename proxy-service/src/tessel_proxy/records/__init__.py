"""How tunnels and substreams ended: error codes, counters and closing log lines.

`Outcome`, `TunnelOutcome` and `Refusal` are the catalogue of ends, and `ErrorCode` has the TP
numbers. `TunnelRecord` and `SubstreamRecord` collect the contents of the closing log lines.
"""

from tessel_proxy.records import log_lines
from tessel_proxy.records.accounting import (
    Listener,
    NoWitness,
    ReplacedError,
    SubstreamRecord,
    TunnelRecord,
    Witness,
    log_refused,
)
from tessel_proxy.records.durations import Durations, Histogram
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.peers import peer_name, source_of, source_of_peer
from tessel_proxy.records.repeated_lines import (
    EVERY_LINE,
    EachLine,
    LineKind,
    LogLine,
    LogLines,
    RepeatedLines,
    Write,
)

__all__ = [
    "EVERY_LINE",
    "Durations",
    "EachLine",
    "ErrorCode",
    "Histogram",
    "LineKind",
    "Listener",
    "LogLine",
    "LogLines",
    "NoWitness",
    "Outcome",
    "Refusal",
    "RepeatedLines",
    "ReplacedError",
    "SubstreamRecord",
    "TunnelOutcome",
    "TunnelRecord",
    "Witness",
    "Write",
    "log_lines",
    "log_refused",
    "peer_name",
    "source_of",
    "source_of_peer",
]
