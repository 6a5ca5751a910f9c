"""The run of one program: its start, the wait until nothing is open, and its end.

`Program` runs a program. `PlainSockets` warns about connections that do not use the board's
network.
"""

from tessel.program.bypass import PlainSockets
from tessel.program.program import IProgramReactor, Program

__all__ = ["IProgramReactor", "PlainSockets", "Program"]
