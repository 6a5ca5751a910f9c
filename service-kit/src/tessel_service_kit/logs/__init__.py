"""Write the events of twisted.logger to a stream, as text for people or JSON for programs.

    text   2026-11-22T15:35:03.123Z info listening listening on 0.0.0.0:5005
           2026-11-22T15:35:03.123Z info listening [2] listening on 0.0.0.0:5005, of worker 2
           2026-11-22T15:35:04.123Z critical cannot_listen TP3002 cannot listen on port 5005: …
    json   {"time":"2026-…Z","level":"info","event":"listening","message":"…","port":5005}

The event's name is the keyword `event` of the log call; for a call without one (in a library) it is
the logger's namespace. A failure and its traceback are one record: the traceback is the field
`traceback` in JSON, and lines that begin with spaces in text. Peers choose some of the text.
Control characters are therefore escaped, so that no peer can forge a line or send commands to a
terminal, and all lengths are limited.

`begin_logging` starts the log of a process. Events become lines in `records`; `Lines` is the
observer that writes them. A `FrequentLogger` passes lines to it without an event.
"""

from tessel_service_kit.logs.beginning import begin_logging, file_output
from tessel_service_kit.logs.frequent import FrequentLogger
from tessel_service_kit.logs.levels import LogFormat, LogLevel, format_setting, level_setting
from tessel_service_kit.logs.lines import Lines, observer
from tessel_service_kit.logs.records import MAX_TEXT, json_record, quoted, text_record

__all__ = [
    "MAX_TEXT",
    "FrequentLogger",
    "Lines",
    "LogFormat",
    "LogLevel",
    "begin_logging",
    "file_output",
    "format_setting",
    "json_record",
    "level_setting",
    "observer",
    "quoted",
    "text_record",
]
