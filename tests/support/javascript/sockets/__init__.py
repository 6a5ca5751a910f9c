"""Programs with sockets, which print the same on plain Node and on a device.

`servers.js` are their servers, `at.js` is shared by the programs.
"""

from pathlib import Path

SOCKET_PROGRAMS = Path(__file__).parent
