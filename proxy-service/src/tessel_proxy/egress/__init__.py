"""Decide whether a device may connect to a target.

`Policies` holds the rules of the settings and of POLICY_FILE, and gives each account its `Policy`.
Internal addresses (loopback, private, metadata services) are refused unless a rule allows them.
"""

from tessel_proxy.egress.addresses import Address, AddressKind
from tessel_proxy.egress.own_addresses import OwnAddresses
from tessel_proxy.egress.policies import Policies
from tessel_proxy.egress.policy import OwnMachine, Policy, RequestedTarget, RuleSet
from tessel_proxy.egress.rules import EgressMode, Rule

__all__ = [
    "Address",
    "AddressKind",
    "EgressMode",
    "OwnAddresses",
    "OwnMachine",
    "Policies",
    "Policy",
    "RequestedTarget",
    "Rule",
    "RuleSet",
]
