"""HTTP header fields: checked and spelled for sending, joined as Node joins them when received.

Names match without regard to case; outgoing ones keep the spelling the program gave. Text is
latin-1, as on Node: HTTP has no other encoding for header values.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from tessel.errors import NodeError
from tessel.node.base.arguments import ArgumentTypeError, ArgumentValueError

HeaderValue = str | int | float | Sequence[str]
GivenHeaders = Mapping[str, HeaderValue] | Sequence[object]

# RFC 9110, 5.6.2 and 5.5. A line break in a value would let its author write headers of his own.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Of these a message has one; Node keeps the first, since joining two would make nonsense.
_FIRST_ONE_COUNTS = frozenset(
    {"age", "authorization", "content-length", "content-type", "etag", "expires", "from", "host"}
    | {"if-modified-since", "if-unmodified-since", "last-modified", "location", "max-forwards"}
    | {"proxy-authorization", "referer", "retry-after", "server", "user-agent"}
)


def is_token(text: object) -> bool:
    """Return whether a value is text that HTTP allows as a header name or a method.

    RFC 9110, 5.6.2, calls it a token.
    """
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def check_name(name: object, label: str = "Header name") -> None:
    """Raise NodeError (ERR_INVALID_HTTP_TOKEN) if `name` is not a valid header name.

    `label` is the description of the name in the error's message.
    """
    if not is_token(name):
        raise NodeError(
            f"{label} must be a valid HTTP token [{name!r}]: letters, digits, !#$%&'*+-.^_`|~",
            "ERR_INVALID_HTTP_TOKEN",
        )


def check_value(name: str, value: object) -> None:
    """Raise NodeError if `value` is not allowed for the header `name`.

    None and text with line breaks or characters outside latin-1 are not allowed.
    """
    if value is None:
        raise NodeError(
            f"Invalid value {value!r} for header {name!r}", "ERR_HTTP_INVALID_HEADER_VALUE"
        )
    if _VALUE.fullmatch(str(value)) is None:
        raise NodeError(
            f"Invalid character in header content [{name!r}]: {value!r};"
            " allowed: latin-1 text on one line",
            "ERR_INVALID_CHAR",
        )


class OutgoingHeaders:
    """Holds the headers of a message to send; names are case-insensitive."""

    def __init__(self, headers: GivenHeaders | None = None) -> None:
        self._fields: dict[str, tuple[str, HeaderValue]] = {}
        for name, value in header_pairs(headers):
            self.append(name, value)

    def set(self, name: str, value: HeaderValue) -> None:
        """Set a header and replace its old values. A list becomes one line for each value.

        Raises NodeError for a wrong name or value.
        """
        check_name(name)
        for line in _lines(value, name):
            check_value(name, line)
        self._fields[name.lower()] = (name, value)

    def append(self, name: str, value: HeaderValue) -> None:
        """Add a value, or a list of values, to a header. Raises NodeError as `set`."""
        check_name(name)
        before = self.get(name)
        self.set(name, value if before is None else [*_lines(before, name), *_lines(value, name)])

    def items(self) -> Iterable[tuple[str, HeaderValue]]:
        """Return all headers as pairs of name and value, with names as the program wrote them."""
        return self._fields.values()

    def names(self) -> list[str]:
        """Return the names of all headers as the program wrote them."""
        return [name for name, _ in self._fields.values()]

    def get(self, name: str) -> HeaderValue | None:
        """Return the value of a header as the program set it; None if it is not set."""
        field = self._fields.get(name.lower())
        return None if field is None else field[1]

    def remove(self, name: str) -> None:
        """Remove a header; do nothing if it is not set."""
        self._fields.pop(name.lower(), None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def says(self, name: str, word: str) -> bool:
        """Return whether a header's comma-separated list contains `word`, given in lower case."""
        lines = _lines(self.get(name) or "", name)
        return word in {part.strip().lower() for line in lines for part in line.split(",")}

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return the header lines to send, as pairs of name and value in bytes."""
        return [
            (name.encode("ascii"), line.strip().encode("latin-1"))
            for name, value in self._fields.values()
            for line in _lines(value, name)
        ]


def header_pairs(headers: object) -> list[tuple[str, HeaderValue]]:
    """Return headers as pairs of name and value; none for None.

    `headers` is a mapping, a list of alternating names and values, or a list of pairs.

    Raises:
        NodeError: `headers` has another form.
    """
    if headers is None:
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    if isinstance(headers, list | tuple):
        return _listed(headers)
    raise ArgumentTypeError("headers", "a mapping, or a list of names and values", headers)


def _listed(headers: Sequence[object]) -> list[tuple[str, HeaderValue]]:
    """A name that comes twice has two lines."""
    nested = bool(headers) and isinstance(headers[0], tuple | list)
    flat = [one for pair in headers for one in _pair(pair)] if nested else headers
    if len(flat) % 2:
        raise ArgumentValueError("headers", "as many values as names", headers)
    return list(
        zip(cast("Sequence[str]", flat[::2]), cast("Sequence[str]", flat[1::2]), strict=True)
    )


def _pair(given: object) -> Sequence[object]:
    if isinstance(given, tuple | list) and len(given) == 2:  # noqa: PLR2004 - name and value
        return given
    raise ArgumentValueError("headers", "pairs of a name and a value", given)


def _lines(value: object, name: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes | bytearray | Mapping | set):
        raise ArgumentTypeError(f"header {name}", "text, a number or a list of them", value)
    if isinstance(value, Sequence):
        for each in value:
            check_value(name, each)
        return [str(each) for each in value]
    check_value(name, value)
    return [str(value)]


def distinct(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Return received fields as a dict: lower-case name, and a list of the values of its lines."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str | list[str]]:
    """Return received fields as a dict, joined as Node does: name in lower case, and one text.

    `set-cookie` is always a list. Of fields such as `host`, only the first is kept.
    """
    found: dict[str, str | list[str]] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        before = found.get(name, [] if name == "set-cookie" else None)
        if isinstance(before, list):
            found[name] = [*before, value]
        elif before is None:
            found[name] = value
        elif name not in _FIRST_ONE_COUNTS:
            found[name] = before + ("; " if name == "cookie" else ", ") + value
    return found
