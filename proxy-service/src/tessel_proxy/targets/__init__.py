"""Open connections to targets: look up the name, check the rules, connect, and secure with TLS.

`Opener` does all of it within one timeout and returns a `Target`, or fails with a `TargetError`
whose text is what Node reports for the same failure.
"""

from tessel_proxy.targets.connecting import TCPConnector
from tessel_proxy.targets.lookup import Lookups, lookup_threads, system_resolver
from tessel_proxy.targets.node_errors import TargetError
from tessel_proxy.targets.opening import Opener
from tessel_proxy.targets.target import OpeningOwner, Target, TargetLoss, TargetOwner
from tessel_proxy.targets.trust import TargetTrust

__all__ = [
    "Lookups",
    "Opener",
    "OpeningOwner",
    "TCPConnector",
    "Target",
    "TargetError",
    "TargetLoss",
    "TargetOwner",
    "TargetTrust",
    "lookup_threads",
    "system_resolver",
]
