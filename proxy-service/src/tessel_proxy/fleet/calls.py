"""The calls between supervisor and worker, over AMP on an inherited socketpair.

The supervisor of one version may start workers of another one (`tessel-proxy upgrade`): a worker
sends VERSION with its first call, and the supervisor refuses one that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from twisted.protocols import amp

from tessel_proxy.fleet.engine import EngineError

VERSION: Final = 1
"""The version of these calls. Raise it when an older supervisor could not serve a newer worker."""

MAX_VALUE_BYTES: Final = 0xFFFF
"""Bytes of one value in a box of AMP."""


def in_parts(name: str, data: bytes) -> dict[str, bytes]:
    """Return `data` as values of an AMP box: `name`, and `name.1` and so on if it is longer.

    An exchange with the longest names, or the names of thousands of members, is longer than AMP's
    limit for one value. A box may have any number of them.
    """
    starts = range(0, max(1, len(data)), MAX_VALUE_BYTES)
    return {
        f"{name}.{number}" if number else name: data[start : start + MAX_VALUE_BYTES]
        for number, start in enumerate(starts)
    }


def whole(name: str, box: Mapping[bytes, bytes]) -> bytes:
    """Return the data that `in_parts` has split; raises KeyError if there is none."""
    return b"".join(_values(name, box))


def _values(name: str, box: Mapping[bytes, bytes]) -> Iterator[bytes]:
    yield box[name.encode()]
    number = 1
    while (value := box.get(f"{name}.{number}".encode())) is not None:
        yield value
        number += 1


class VersionError(Exception):
    """Worker and supervisor speak different versions of the calls."""


class Join(amp.Command):
    """A worker's first call: it has loaded its settings and will listen next."""

    arguments: ClassVar = [(b"version", amp.Integer())]
    response: ClassVar[list[tuple[bytes, amp.Argument]]] = []
    errors: ClassVar[dict[type[Exception], bytes]] = {VersionError: b"VERSION"}


class Serving(amp.Command):
    """A worker accepts devices now."""

    response: ClassVar[list[tuple[bytes, amp.Argument]]] = []


class Look(amp.Command):
    """The supervisor asks a worker how it is, every second.

    `elsewhere`: tunnels that are open on the other workers. The answer has the worker's own number
    of tunnels, the reasons why it is not ready, and its metrics (fleet/summing.py).
    """

    arguments: ClassVar = [(b"elsewhere", amp.Integer())]
    response: ClassVar = [
        (b"tunnels", amp.Integer()),
        (b"obstacles", amp.ListOf(amp.Unicode())),
        (b"metrics", amp.String()),
    ]


class Last(amp.Command):
    """A worker's last call: its metrics, when it has closed all its connections."""

    arguments: ClassVar = [(b"metrics", amp.String())]
    response: ClassVar[list[tuple[bytes, amp.Argument]]] = []


class Retire(amp.Command):
    """The supervisor notifies a worker that its successors serve: it drains and ends."""

    response: ClassVar[list[tuple[bytes, amp.Argument]]] = []


class EngineCall(amp.Command):
    """A worker calls a method of the engine; arguments and result are JSON (fleet/wire.py).

    Both are sent as `in_parts` splits them.
    """

    arguments: ClassVar = [(b"method", amp.Unicode()), (b"values", amp.String())]
    response: ClassVar = [(b"result", amp.String())]
    errors: ClassVar[dict[type[Exception], bytes]] = {EngineError: b"ENGINE"}


class NotHeardError(Exception):
    """A worker could not act on a notice; its log says why."""


class Heard(amp.Command):
    """A notice from the supervisor (fleet/wire.py); answered when the worker has acted on it."""

    arguments: ClassVar = [(b"notice", amp.String())]
    response: ClassVar[list[tuple[bytes, amp.Argument]]] = []
    errors: ClassVar[dict[type[Exception], bytes]] = {NotHeardError: b"NOT_HEARD"}


class Guessed(amp.Command):
    """The supervisor reports how many wrong tokens of a source count now, on all workers."""

    arguments: ClassVar = [(b"source", amp.Unicode()), (b"level", amp.Float())]
    response: ClassVar[list[tuple[bytes, amp.Argument]]] = []
    requiresAnswer = False
