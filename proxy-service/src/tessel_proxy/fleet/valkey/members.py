"""The members that live, as the engine last said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tessel_proxy.fleet.questions import host_of
from tessel_proxy.fleet.valkey.replies import members_of


class LivingMembers:
    """Names of members. The engine sends them only if they have changed since `version`."""

    def __init__(self) -> None:
        self.version = ""
        self.names: tuple[str, ...] = ()
        self._by_host: dict[str, list[str]] = {}

    def learn(self, reply: str) -> str:
        """Take over what a script has returned, and return the engine's epoch.

        Raises EngineError.
        """
        epoch, self.version, names = members_of(reply)
        if names is not None:
            self.names = names
            self._by_host = {}
            for name in names:
                self._by_host.setdefault(host_of(name), []).append(name)
        return epoch

    @property
    def by_host(self) -> Mapping[str, Sequence[str]]:
        """The members of each host."""
        return self._by_host
