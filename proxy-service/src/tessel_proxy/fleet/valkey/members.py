"""The members that live, as the engine last said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import MEMBER_LIVES_S
from tessel_proxy.fleet.questions import host_of
from tessel_proxy.fleet.valkey.rebuilding import Rebuilding
from tessel_proxy.fleet.valkey.replies import members_of


class LivingMembers:
    """Names of members. The engine sends them only if they have changed since `version`.

    After the engine has lost its data, those last seen are assumed to live for MEMBER_LIVES_S: each
    has reported to the engine by then that it does.
    """

    def __init__(self, clock: IReactorTime, rebuilding: Rebuilding) -> None:
        self._clock = clock
        self._rebuilding = rebuilding
        self.version = ""
        self._reported: tuple[str, ...] = ()
        self._assumed: dict[str, float] = {}  # until when

    def learn(self, reply: str) -> str:
        """Take over what a script has returned, and return the engine's epoch.

        Raises EngineError.
        """
        epoch, version, names = members_of(reply)
        self._rebuilding.answered(epoch)
        self.version = version
        if names is not None:
            self._reported = names
        return epoch

    def assume_last_seen(self) -> None:
        """Called when the engine has lost its data."""
        until = self._clock.seconds() + MEMBER_LIVES_S
        self._assumed |= dict.fromkeys(self._reported, until)
        self._reported, self.version = (), ""  # the next reply names all

    def left(self, member: str) -> None:
        """Called when a member of this host leaves."""
        self._assumed.pop(member, None)

    @property
    def assumed(self) -> Sequence[str]:
        """Members that were seen before the last loss, and that may not have reported yet."""
        if self._assumed:
            now = self._clock.seconds()
            self._assumed = {name: each for name, each in self._assumed.items() if each > now}
        return tuple(self._assumed)

    @property
    def names(self) -> tuple[str, ...]:
        """All members."""
        return tuple(dict.fromkeys([*self._reported, *self.assumed]))

    @property
    def by_host(self) -> Mapping[str, Sequence[str]]:
        """The members of each host."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(host_of(name), []).append(name)
        return found
