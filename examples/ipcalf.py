"""The sample of the original pull request: ask a site for the address that it sees.

    tessel run --env PROXY_HOST=proxy.example.com examples/ipcalf.py [URL]

Through the tunnel, the site sees the proxy's address; directly, the device's own. To try it without
a proxy, unset the token:

    tessel run --env TM_API_KEY= examples/ipcalf.py [URL]
"""

import os
import sys

from tessel import http

# The settings are read at the first connection, so a program may set them itself.
# Put your own API key here, or in the environment, which overrides it.
os.environ.setdefault("TM_API_KEY", "YOUR-API-KEY")

url = sys.argv[1] if len(sys.argv) > 1 else "http://ipcalf.com/?format=text"


def answered(response):
    response.set_encoding("utf-8")  # chunks are text instead of bytes
    response.on("data", lambda text: print(text, end=""))


# Without a listener for `error`, an error ends the program with its text and exit code 1.
http.get(url, answered)
