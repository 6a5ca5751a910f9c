"""The HTTP API of the operator: what is open, and commands. docs/admin-api.md describes it.

`OperatorApi` is the resource below /api/; it asks `Answers` and publishes notices, so it is the
same for one process, for the supervisor of workers, and in a fleet. `Audit` has a line for each
command.
"""

from tessel_proxy.monitoring.api.access import Access
from tessel_proxy.monitoring.api.audit import Audit
from tessel_proxy.monitoring.api.desk import Desk
from tessel_proxy.monitoring.api.events import EventStreams
from tessel_proxy.monitoring.api.resource import OperatorApi

__all__ = ["Access", "Audit", "Desk", "EventStreams", "OperatorApi"]
