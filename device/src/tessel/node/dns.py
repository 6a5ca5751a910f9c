"""Name lookups in the manner of Node's `dns`.

    from tessel import dns

    dns.lookup("example.com", lambda error, address, family: print(error or address))

The device's own radio looks the names up, also when connections go through the tunnel. All results
come by a callback, which is called after the function has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from twisted.python.failure import Failure

from tessel.addresses import is_ip
from tessel.errors import NodeError
from tessel.node.base import arguments, runtime
from tessel.node.base.arguments import Callback
from tessel.source_location import here

__all__ = [
    "ADDRCONFIG",
    "ALL",
    "BADFAMILY",
    "BADFLAGS",
    "BADHINTS",
    "BADNAME",
    "BADQUERY",
    "BADRESP",
    "BADSTR",
    "CANCELLED",
    "CONNREFUSED",
    "DESTRUCTION",
    "EOF",
    "FILE",
    "FORMERR",
    "NODATA",
    "NOMEM",
    "NONAME",
    "NOTFOUND",
    "NOTIMP",
    "NOTINITIALIZED",
    "REFUSED",
    "SERVFAIL",
    "TIMEOUT",
    "V4MAPPED",
    "lookup",
    "resolve",
    "resolve4",
    "resolve6",
]


def __dir__() -> list[str]:
    return __all__


FAMILIES = {"A": 4, "AAAA": 6}

RRTYPES = ("A", "AAAA", "ANY", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "TXT")
LOOKUP_OPTIONS = frozenset({"family", "all", "hints", "order", "verbatim"})
HINTS = ADDRCONFIG, V4MAPPED, ALL = 0x20, 0x08, 0x10  # as Node's on Linux

NODATA, FORMERR, SERVFAIL, NOTFOUND = "ENODATA", "EFORMERR", "ESERVFAIL", "ENOTFOUND"
NOTIMP, REFUSED, BADQUERY, BADNAME = "ENOTIMP", "EREFUSED", "EBADQUERY", "EBADNAME"
BADFAMILY, BADRESP, CONNREFUSED = "EBADFAMILY", "EBADRESP", "ECONNREFUSED"
TIMEOUT, EOF, FILE, NOMEM = "ETIMEOUT", "EOF", "EFILE", "ENOMEM"
DESTRUCTION, BADSTR, BADFLAGS = "EDESTRUCTION", "EBADSTR", "EBADFLAGS"
NONAME, BADHINTS, NOTINITIALIZED = "ENONAME", "EBADHINTS", "ENOTINITIALIZED"
CANCELLED = "ECANCELLED"

Found: TypeAlias = Callable[[Sequence[str]], tuple[object, ...]]


def lookup(
    hostname: str,
    options: int | Mapping[str, object] | Callback | None = None,
    callback: Callback | None = None,
    *,
    family: int | str | None = None,
    all: bool | None = None,  # noqa: A002 - Node's name for it
) -> None:
    """Look up the address of a name.

    Args:
        hostname: the name. An address is returned as it is.
        options: a mapping with `family` and `all`; or the family alone; or the callback.
        callback: called with `(error, address, family)`, or, if `all` is true, with
            `(error, [{"address": ..., "family": ...}, ...])`.
        family: 4, 6, or 0 for either (the default).
        all: True: report all addresses and not only the first.

    Raises:
        NodeError: an argument is wrong. A failed lookup is the callback's error.

    """
    if callable(options):
        options, callback = None, options
    answer = arguments.callback(callback)
    name = arguments.text(hostname, "hostname")
    chosen = _lookup_options(options)
    wanted = _valid_family(chosen.get("family", 0) if family is None else family)
    everything = arguments.flag(chosen.get("all", False) if all is None else all, "options.all")
    _ask(name, wanted, _everything if everything else _first, answer)


def resolve(hostname: str, rrtype: str | Callback = "A", callback: Callback | None = None) -> None:
    """Look up all addresses of a name.

    Args:
        hostname: the name.
        rrtype: "A" for IPv4 or "AAAA" for IPv6. The radio cannot look up other record types.
        callback: called with `(error, addresses)`.

    Raises:
        NodeError: an argument is wrong.

    """
    if callable(rrtype):
        wanted, callback = "A", rrtype
    else:
        wanted = arguments.text(rrtype, "rrtype")
    answer = arguments.callback(callback)
    name = arguments.text(hostname, "hostname")
    if wanted not in FAMILIES:
        raise NodeError(_no_such_type(wanted), "ERR_INVALID_ARG_VALUE")
    _ask(name, FAMILIES[wanted], lambda found: (list(found),), answer)


def resolve4(hostname: str, callback: Callback) -> None:
    """Look up all IPv4 addresses of a name; `callback` is called with `(error, addresses)`."""
    resolve(hostname, "A", callback)


def resolve6(hostname: str, callback: Callback) -> None:
    """Look up all IPv6 addresses of a name; `callback` is called with `(error, addresses)`."""
    resolve(hostname, "AAAA", callback)


def _no_such_type(wanted: str) -> str:
    has = ", ".join(FAMILIES)
    if wanted.upper() in RRTYPES:
        return f"A radio looks up {has} alone, not {wanted!r}"
    return f"The argument 'rrtype' must be one of {has}. Received {wanted!r}"


def _lookup_options(options: object) -> Mapping[str, object]:
    if options is None:
        return {}
    if isinstance(options, int):
        return {"family": options}
    given = arguments.options_mapping(options)
    arguments.check_options(given, LOOKUP_OPTIONS, "dns.lookup")
    hints = arguments.whole_number(given.get("hints", 0), "options.hints", 0, sum(HINTS))
    if hints & ~sum(HINTS):
        raise arguments.ArgumentValueError("options.hints", "a sum of ADDRCONFIG, ...", hints)
    if given.get("order", "verbatim") not in ("verbatim", "ipv4first", "ipv6first"):
        raise arguments.ArgumentValueError(
            "options.order", "verbatim, ipv4first or ipv6first", given["order"]
        )
    return given


def _ask(hostname: str, family: int, shape: Found, answer: Callback) -> None:
    board = runtime.current()
    handle = board.handles.open(f"look-up of {hostname}", here())

    def answered(found: Sequence[str]) -> None:
        board.later(answer, None, *shape(found))

    def failed(failure: Failure) -> None:
        if failure.check(NodeError):
            board.later(arguments.call_with_error, answer, failure.value)
        else:
            board.broken(failure)

    looking = board.ask(board.network.lookup, hostname, family)
    looking.addCallback(answered).addErrback(failed).addErrback(board.broken)
    looking.addBoth(lambda _: handle.close())


def _first(found: Sequence[str]) -> tuple[object, ...]:
    return found[0], is_ip(found[0])


def _everything(found: Sequence[str]) -> tuple[object, ...]:
    return ([{"address": address, "family": is_ip(address)} for address in found],)


def _valid_family(family: object) -> int:
    named = _FAMILY_NAMES.get(family, family) if isinstance(family, str) else family
    if isinstance(named, int) and not isinstance(named, bool) and named in (0, 4, 6):
        return named
    raise NodeError(
        f"The option 'family' must be 0, 4 or 6. Received {family!r}", "ERR_INVALID_ARG_VALUE"
    )


_FAMILY_NAMES: Mapping[str, int] = {"IPv4": 4, "IPv6": 6}
