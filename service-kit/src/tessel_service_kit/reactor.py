"""The reactor of this process. Importing this module installs a MonotonicReactor.

Import it instead of `twisted.internet.reactor`, whose timers follow the time of day. Only a
`__main__` imports it, before any import of Twisted's reactor. If a reactor is installed already,
that one is used: a process can have only one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

from twisted.internet.main import installReactor

from tessel_service_kit.clocks import MonotonicReactor

_PLACE: Final = "twisted.internet.reactor"

if _PLACE not in sys.modules:
    installReactor(MonotonicReactor())

reactor: Any = import_module(_PLACE)
