"""Log lines that a busy process writes thousands of times a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.logger import Logger

from tessel_service_kit.logs.lines import Lines
from tessel_service_kit.logs.records import MAX_TEXT

A = TypeVar("A")
B = TypeVar("B")


class FrequentLogger(Logger):
    """A logger for frequent lines: they go to the log's output without an event of Twisted's.

    An event costs more than the rest of the line. It is made only if others observe the log, too,
    or if the line is too long.
    """

    def info_of(
        self,
        event: str,
        error: str | None,
        tell: Callable[[A, B], tuple[str, str]],
        what: A,
        how: B,
    ) -> None:
        """Log a line at the level info; nothing is formatted if the level is off.

        Args:
            event: the name of the event.
            error: the number of the error (TP...), or None; it is among the fields as well.
            tell: called with `what` and `how`; returns the message, and the fields as JSON without
                the braces. Each text of the message that is not fixed must be among the fields,
                too, encoded by `quoted`: if no field needs an escape, nor does the message.
            what: the first argument of `tell`, as a rule a record of what has ended.
            how: the second argument, as a rule how it has ended.
        """
        # Twisted's publisher has no public list of its observers. Without it, events are made.
        observers: Sequence[object] = getattr(self.observer, "_observers", ())
        lines = observers[0] if len(observers) == 1 else None
        if type(lines) is not Lines:
            message, fields = tell(what, how)
        elif not lines.shows_info(self.namespace):
            return
        else:
            message, fields = tell(what, how)
            if len(message) + len(fields) <= MAX_TEXT:
                try:
                    lines.write_info(event, error, message, fields)
                except Exception:  # noqa: BLE001 -- as Twisted's publisher: not to harm who logs
                    self.failure("a log line could not be written")
                return
        self.info("{log_text}", log_text=message, event=event, **json.loads(f"{{{fields}}}"))
