"""Look-ups of names for a JavaScript program: the radio's answers on the channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tessel.addresses import is_ip
from tessel.errors import NodeError
from tessel.javascript import call_fields
from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.node.base.runtime import Runtime

FAMILIES: Final = (0, 4, 6)


class LookUp:
    """One look-up of a name, from the program's call to the answer."""

    def __init__(self, channel: Channel, runtime: Runtime, object_id: int) -> None:
        self._channel = channel
        self._runtime = runtime
        self._object_id = object_id
        self._looking: Deferred[Sequence[str]] | None = None

    def begin(self, fields: Fields) -> None:
        """Look up the name of a call; the answer is the event `found` or `failed`."""
        name = call_fields.text(fields, "name")
        looking = self._looking = self._runtime.network.lookup(name, family(fields))
        looking.addCallbacks(self._found, self._not_found).addErrback(self._runtime.broken)

    def called(self, fields: Fields, data: bytes) -> None:
        """Called with a call of the program, which a look-up does not have."""
        del data
        raise BadCallError(f"a look-up has no call {fields.get('op')!r}")

    def received(self, data: bytes) -> None:
        """Called with bytes for this object, which a look-up does not accept."""
        raise BadCallError(f"{len(data)} bytes for a look-up")

    def credited(self, nbytes: int) -> None:
        """Called with credit for this object, which a look-up does not accept."""
        raise BadCallError(f"a credit of {nbytes} for a look-up")

    def abandon(self) -> None:
        """Cancel the look-up: the program has ended."""
        looking, self._looking = self._looking, None
        self._channel.remove(self._object_id)
        if looking is not None:
            looking.cancel()

    def _found(self, addresses: Sequence[str]) -> None:
        if self._looking is None:
            return
        found = [{"address": address, "family": is_ip(address)} for address in addresses]
        self._channel.send(self._object_id, {"event": "found", "addresses": found})
        self._channel.remove(self._object_id)

    def _not_found(self, failure: Failure) -> None:
        if self._looking is None:
            return  # cancelled
        if not isinstance(failure.value, NodeError):
            failure.raiseException()
        self._channel.send(
            self._object_id, {"event": "failed", "error": error_fields(failure.value)}
        )
        self._channel.remove(self._object_id)


def family(fields: Fields) -> int:
    """Return the field `family`; raises BadCallError."""
    number = call_fields.whole(fields, "family", max(FAMILIES))
    if number not in FAMILIES:
        raise BadCallError(f"{fields.get('op')}: family is {number}; allowed: 0, 4, 6")
    return number
