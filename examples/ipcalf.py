"""The sample of the original pull request: asks a site from which address it is seen.

    tessel run --env PROXY_HOST=proxy.example.com examples/ipcalf.py [URL]

Through the tunnel, the site sees the proxy's address; directly, the device's own. To try it without
a proxy, take the token away:

    tessel run --env TM_API_KEY= examples/ipcalf.py [URL]
"""

import os
import sys

from tessel import http

# The settings are read at the first connection, so a program may set them itself.
# Put your own API key here, or into the environment, which comes first.
os.environ.setdefault("TM_API_KEY", "YOUR-API-KEY")

url = sys.argv[1] if len(sys.argv) > 1 else "http://ipcalf.com/?format=text"


def answered(response):
    response.set_encoding("utf-8")  # text from now on, rather than bytes
    response.on("data", lambda text: print(text, end=""))


# Nobody listens for `error` here: one ends the program, with its message and exit code 1.
http.get(url, answered)
