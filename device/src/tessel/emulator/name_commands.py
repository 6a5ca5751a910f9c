"""The chip's own command to look up a name, answered by this machine's resolver."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.hci.codes import Code
from tessel.cc3000.hci.fields import ANY_ADDRESS
from tessel.cc3000.hci.names import GetHostByName
from tessel.cc3000.hci.replies import HostByName
from tessel.emulator.air import Lookup
from tessel.emulator.quirks import Quirks
from tessel.emulator.socket_commands import Answer, Packets

FOUND = 1

_log = Logger()


class NameCommands:
    """Carries out GET_HOST_BY_NAME: answers with one IPv4 address.

    Quirks decide how failures are reported.
    """

    def __init__(self, lookup: Lookup, quirks: Quirks, is_online: Callable[[], bool]) -> None:
        self._lookup = lookup
        self._quirks = quirks
        self._is_online = is_online
        self._asked_before = False
        self._running: set[Deferred[Sequence[str]]] = set()

    def stop(self) -> None:
        """Cancel all running look-ups."""
        for lookup in list(self._running):
            lookup.cancel()

    def find(self, command: GetHostByName) -> Answer:
        """Look up a name and return the answer, or a Deferred of it."""
        refusal = self._why_not(command.name)
        if refusal is not None:
            return [command.reply_packet(refusal)]
        lookup = self._lookup(command.name.decode("latin-1"))
        self._running.add(lookup)

        def over(result: Sequence[str] | Failure) -> Sequence[str] | Failure:
            self._running.discard(lookup)
            return result

        reply = lookup.addBoth(over).addCallbacks(self._found, self._not_found)
        return reply.addCallback(lambda found: _packets(command, found))

    def _why_not(self, name: bytes) -> HostByName | None:
        if not self._is_online():
            return HostByName(Code.NOT_CONNECTED, ANY_ADDRESS)
        if not name or len(name) > GetHostByName.LONGEST or not name.isascii():
            return HostByName(Code.INVALID_NAME, ANY_ADDRESS)
        if name.decode("ascii").lower() in self._quirks.refused_names:
            return HostByName(Code.INVALID_NAME, ANY_ADDRESS)
        first, self._asked_before = not self._asked_before, True
        if first and self._quirks.first_lookup_is_zero:
            return HostByName(FOUND, ANY_ADDRESS)
        return None

    def _found(self, addresses: Sequence[str]) -> HostByName:
        address = next((address for address in addresses if ":" not in address), None)
        if address is None:
            return HostByName(self._quirks.failed_name_code, ANY_ADDRESS)
        return HostByName(FOUND, address)

    def _not_found(self, fault: Failure) -> HostByName:
        _log.debug("no address for a name: {fault}", fault=fault.value)
        return HostByName(self._quirks.failed_name_code, ANY_ADDRESS)


def _packets(command: GetHostByName, found: HostByName) -> Packets:
    return [command.reply_packet(found)]
