"""The arguments of the API: what each may be, in words, as a check, and as a JSON schema."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from tessel_proxy.operations.requests import ArgumentError

MAX_TEXT: Final = 300
"""Characters of a name or an id. The longest account has 256."""

TEXT_PATTERN: Final = "[^\\u0000-\\u001f\\u007f-\\u009f]*"
"""What `_is_text` allows, for readers of the document."""

_SHOWN: Final = 60
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Field:
    """An argument. `kind`: string, integer or number. `default` None: may be missing, or null.

    `pattern`: of a string, which is `called` so in errors.
    """

    name: str
    kind: str = "string"
    meaning: str = ""
    default: Any = None
    required: bool = False
    lowest: float | None = None
    highest: float | None = None
    pattern: str = ""
    called: str = ""

    def value(self, given: object) -> Any:
        """Return the value of an argument in JSON; raises ArgumentError."""
        if given is None:
            if self.required:
                raise ArgumentError(f"{self.name} is missing; expected {self.expected}")
            return self.default
        if self.kind == "string":
            if isinstance(given, str) and self._fits(given):
                return given
        elif not isinstance(given, bool) and isinstance(given, int | float):
            return self._number(given)
        raise ArgumentError(f"{self.name}={json.dumps(given):.{_SHOWN}}: expected {self.expected}")

    def _fits(self, given: str) -> bool:
        is_right = not self.pattern or re.fullmatch(self.pattern, given) is not None
        return 0 < len(given) <= (self.highest or MAX_TEXT) and _is_text(given) and is_right

    def _number(self, given: float) -> float:
        lowest = -math.inf if self.lowest is None else self.lowest
        highest = math.inf if self.highest is None else self.highest
        is_within = lowest <= given <= highest and abs(given) < math.inf  # false for NaN
        if is_within and (self.kind == "number" or given == math.floor(given)):
            return int(given) if self.kind == "integer" else given
        raise ArgumentError(f"{self.name}={given!s:.{_SHOWN}}: expected {self.expected}")

    def parsed(self, text: str) -> Any:
        """Return the value of an argument in a query; raises ArgumentError."""
        if self.kind == "string":
            return self.value(text or None)
        if _NUMBER.fullmatch(text) is None:  # float() takes other forms as well, such as 1_000
            raise ArgumentError(f"{self.name}={text!r:.{_SHOWN}}: expected {self.expected}")
        return self.value(float(text))

    @property
    def expected(self) -> str:
        """The allowed values, in words."""
        if self.called:
            return self.called
        if self.kind == "string":
            return f"1 to {self.highest or MAX_TEXT:g} characters, none of them a control character"
        article = "an" if self.kind == "integer" else "a"
        if self.highest is None:
            return f"{article} {self.kind} of {self.lowest:g} or more"
        return f"{article} {self.kind} from {self.lowest:g} to {self.highest:g}"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        if self.kind == "string":
            found: dict[str, Any] = {
                "minLength": 1,
                "maxLength": int(self.highest or MAX_TEXT),
                "pattern": f"^{self.pattern or TEXT_PATTERN}$",
            }
        else:
            found = {"minimum": self.lowest, "maximum": self.highest}
        limits = {name: value for name, value in found.items() if value is not None}
        return {"type": self.kind} | limits | ({"default": self.default} if self.default else {})

    @property
    def schema_in_query(self) -> dict[str, Any]:
        """The JSON schema of the value in a query, where an empty text is as if missing."""
        if self.kind != "string" or self.required:
            return self.schema
        schema = self.schema
        pattern = schema["pattern"].removeprefix("^").removesuffix("$")
        return schema | {"minLength": 0, "pattern": f"^({pattern})?$"}


def _is_text(given: str) -> bool:
    """Return whether a text can be written in UTF-8, and moves no cursor where it is shown."""
    return not any(unicodedata.category(each) in ("Cc", "Cs") for each in given)
