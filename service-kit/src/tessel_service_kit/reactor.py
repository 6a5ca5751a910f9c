"""The reactor of this process. Importing this module installs a MonotonicReactor.

It takes the place of `twisted.internet.reactor`, which installs a reactor whose timers follow the
time of day. Only a `__main__` imports it, and before anything that imports Twisted's. A reactor
that another program has installed stays: a process has one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

from twisted.internet.main import installReactor

from tessel_service_kit.clocks import MonotonicReactor

_PLACE: Final = "twisted.internet.reactor"

if _PLACE not in sys.modules:
    installReactor(MonotonicReactor())  # type: ignore[no-untyped-call] # Twisted's has no types

reactor: Any = import_module(_PLACE)
