"""The operator's refusals, and the usage of accounts.

`Rule` says whom the operator refuses; `Refusals` is the interface to change the rules, and
`RefusalList` finds the one that holds for a device. `UsageMeter` adds up what accounts use, and
`UsageKeeping` writes it.
"""

from tessel_proxy.operations.refusal_list import MAX_RULES, RefusalList, TooManyRulesError
from tessel_proxy.operations.refusals import Refusals, RefusalsError, Spread
from tessel_proxy.operations.refusing import Refusing
from tessel_proxy.operations.requests import (
    ArgumentError,
    rule_from_request,
    usage_as_json,
    usage_question,
)
from tessel_proxy.operations.rules import Rule, RuleError, rule_id
from tessel_proxy.operations.usage import (
    Usage,
    UsageError,
    UsageMeter,
    UsagePage,
    UsageQuestion,
    UsageRow,
)
from tessel_proxy.operations.usage_keeping import UsageKeeping

__all__ = [
    "MAX_RULES",
    "ArgumentError",
    "RefusalList",
    "Refusals",
    "RefusalsError",
    "Refusing",
    "Rule",
    "RuleError",
    "Spread",
    "TooManyRulesError",
    "Usage",
    "UsageError",
    "UsageKeeping",
    "UsageMeter",
    "UsagePage",
    "UsageQuestion",
    "UsageRow",
    "rule_from_request",
    "rule_id",
    "usage_as_json",
    "usage_question",
]
