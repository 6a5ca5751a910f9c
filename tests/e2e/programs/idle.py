"""idle.py URL PAUSE_MS: gets a page, is idle for a while, and gets it again."""

import sys

from tessel import http, timers

url, pause_ms = sys.argv[1], int(sys.argv[2])


def get(then):
    def print_page(response):
        response.set_encoding("utf8")
        response.on("data", lambda text: print(text, end="", flush=True))
        response.on("end", then)

    # agent: False, or the pooled socket would keep the tunnel in use
    http.get(url, {"agent": False}, print_page)


get(lambda: timers.set_timeout(lambda: get(lambda: None), pause_ms))
