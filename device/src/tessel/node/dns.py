"""`dns`: the addresses of names, in the Node manner, as the device's own radio finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.node import runtime
from tessel.node.addresses import is_ip
from tessel.node.options import Callback

FAMILIES = {"A": 4, "AAAA": 6}

Found: TypeAlias = Callable[[Sequence[str]], tuple[object, ...]]


def lookup(
    hostname: str,
    options: int | Mapping[str, object] | Callback | None = None,
    callback: Callback | None = None,
    *,
    family: int | None = None,
    all: bool | None = None,  # noqa: A002 - Node's name for it
) -> None:
    """Call back with `(error, address, family)`; with `all`, `(error, [{address, family}, ...])`.

    An int as `options` is the family: 4, 6, or 0 for either.
    """
    if callable(options):
        options, callback = None, options
    chosen = dict(options) if isinstance(options, Mapping) else {"family": options or 0}
    wanted = family if family is not None else chosen.get("family", 0)
    everything = all if all is not None else bool(chosen.get("all", False))
    _ask(hostname, _valid_family(wanted), _everything if everything else _first, callback)


def resolve(hostname: str, rrtype: str | Callback = "A", callback: Callback | None = None) -> None:
    """Call back with `(error, addresses)`. A radio answers for A and AAAA alone."""
    if callable(rrtype):
        wanted, callback = "A", rrtype
    else:
        wanted = rrtype
    if wanted not in FAMILIES:
        raise NodeError(
            f"The record type must be one of {', '.join(FAMILIES)}. Received {wanted!r}",
            "ERR_INVALID_ARG_VALUE",
        )
    _ask(hostname, FAMILIES[wanted], lambda found: (list(found),), callback)


def resolve4(hostname: str, callback: Callback) -> None:
    resolve(hostname, "A", callback)


def resolve6(hostname: str, callback: Callback) -> None:
    resolve(hostname, "AAAA", callback)


def _ask(hostname: str, family: int, shape: Found, callback: Callback | None) -> None:
    if callback is None:
        raise NodeError("A callback is expected", "ERR_INVALID_ARG_TYPE")
    board = runtime.current()
    handle = board.handles.open(f"look-up of {hostname}")
    told = callback  # for the type checker: it is there

    def answered(found: Sequence[str]) -> None:
        board.call(told, None, *shape(found))

    def failed(failure: Failure) -> None:
        if failure.check(NodeError):
            board.call(told, failure.value)
        else:
            board.call(failure.raiseException)  # a bug below

    looking = board.network.lookup(hostname, family)
    looking.addCallbacks(answered, failed)
    looking.addBoth(lambda _: handle.close())


def _first(found: Sequence[str]) -> tuple[object, ...]:
    return found[0], is_ip(found[0])


def _everything(found: Sequence[str]) -> tuple[object, ...]:
    return ([{"address": address, "family": is_ip(address)} for address in found],)


def _valid_family(family: object) -> int:
    if isinstance(family, int) and family in (0, 4, 6):
        return family
    raise NodeError(f"The family must be 0, 4 or 6. Received {family!r}", "ERR_INVALID_ARG_VALUE")
