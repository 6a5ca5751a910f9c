"""Limit what an account, a source address and the whole process may use.

`AccountLimits` counts tunnels, substreams, rates and quotas of accounts; `Penalties` slow down
sources that send wrong tokens; `MemoryWatch` keeps the memory of the process below its limit.
"""

from tessel_proxy.limits.accounts import AccountLimits, AccountUsage
from tessel_proxy.limits.descriptors import raise_descriptors
from tessel_proxy.limits.memory import MemoryWatch
from tessel_proxy.limits.penalties import Penalties

__all__ = ["AccountLimits", "AccountUsage", "MemoryWatch", "Penalties", "raise_descriptors"]
