"""`python -m support.hardening.odd_names`: tessel-proxy with a fake look-up of some names.

dead-N.test      no answer for a long time
live.test        127.0.0.1, at once
rebinding.test   127.0.0.2 and 127.0.0.1, alternating
both.test        127.0.0.2 and 127.0.0.1
"""

import itertools
import socket
import sys
import time

from tessel_proxy.__main__ import main

DEAD_SECONDS = 20.0

_real = socket.getaddrinfo
_turns = itertools.cycle(["127.0.0.2", "127.0.0.1"])


def _odd(host, *args):
    match host:
        case "live.test":
            return _real("127.0.0.1", *args)
        case "rebinding.test":
            return _real(next(_turns), *args)
        case "both.test":
            return [*_real("127.0.0.2", *args), *_real("127.0.0.1", *args)]
        case str() if host.startswith("dead-"):
            time.sleep(DEAD_SECONDS)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        case _:
            return _real(host, *args)


if __name__ == "__main__":
    socket.getaddrinfo = _odd
    sys.exit(main())
